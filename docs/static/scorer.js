/* What is first in the search: guides before whatever merely mentions a word. The rest is Sphinx's own. */
var Scorer = {
  score: ([page, , , , score, , kind]) => {
    if (kind === "index") return score;
    if (page.startsWith("guides/") || page === "faq") return score + 8;
    return page.startsWith("cells/") || page === "contributing" ? score - 1 : score;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
