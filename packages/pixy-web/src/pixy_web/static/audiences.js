// Who may see an image, in words: the API's three visibilities.

export const AUDIENCES = {
  private: { name: "Private", shownTo: "you", meaning: "Only you see it." },
  class: { name: "My class", shownTo: "your class", meaning: "Everyone in your class sees it." },
  public: { name: "Public", shownTo: "everyone", meaning: "Everyone who has the link or visits this page sees it, signed in or not." },
};
