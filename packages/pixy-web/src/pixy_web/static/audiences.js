// Texts for the API's three visibilities.

export const AUDIENCES = {
  private: { name: "Private", shownTo: "you", meaning: "Only you can see it." },
  class: { name: "My class", shownTo: "your class", meaning: "Everyone in your class can see it." },
  public: { name: "Public", shownTo: "everyone", meaning: "Everyone can see it, signed in or not." },
};
