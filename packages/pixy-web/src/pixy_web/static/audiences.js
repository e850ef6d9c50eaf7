// Who may see an image, in words: the API's three visibilities.

export const AUDIENCES = {
  private: { name: "Private", shownTo: "you", meaning: "Only you see it." },
  class: { name: "My class", shownTo: "your class", meaning: "Everyone in your class sees it." },
  public: { name: "Public", shownTo: "everyone", meaning: "Everyone who comes here sees it, signed in or not." },
};
