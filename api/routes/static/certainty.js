// How certain the best trial is: its verifications, what is known of the noise, and the button that orders fresh runs.
import { h, number, plural, toast } from "./dom.js";
import { api, BASE, studyPath } from "./http.js";

const WORD = { change: ["good", "change recommended"], "no change": ["warn", "no change recommended"], open: ["", "undecided"] };
const quoted = (name) => (/^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`);

export const workerCommand = (name) => `trialogue worker --url ${BASE.href.replace(/\/$/, "")} --study ${quoted(name)} --evaluator STUDY.toml`;

function verification(v) {
  const [kind, word] = WORD[v.recommendation];
  return h("li", {}, h("a", { href: `#/studies/${encodeURIComponent(v.verification)}` }, v.text.split(":")[0]), " ", h("span", { class: `tag ${kind}` }, word), " ",
    h("span", { class: "soft" }, v.reason, v.searched === null || v.recommendation === "open" ? "" : `; the search had shown ${number(v.searched)}`),
    v.recommendation === "open" ? h("pre", {}, h("code", {}, workerCommand(v.verification))) : null);
}

// The card of a study; `verified` is called after the button ordered a verification.
export function certaintyCard(study, verified) {
  if (study.verification) return h("section", { class: "card", id: "certainty", style: "margin-top:1rem" }, h("h2", {}, `Verification of ${study.verification.study}`), h("ul", {}, verification(study.verification)));
  if (!study.certainty) return null;
  const told = study.certainty.verifications;
  async function order() {
    try {
      const made = await api(studyPath(study.name, "/verify"), { method: "POST", body: {} });
      toast(made.recommendation === "open" ? `Up to ${plural(made.until, "pair")} of runs wait in ${made.verification}; a worker runs them.` : made.text);
      await verified();
    } catch (error) { toast(error.message, "error"); }
  }
  return h("section", { class: "card", id: "certainty", style: "margin-top:1rem" }, h("div", { class: "row between" }, h("h2", {}, "How certain is the best?"), h("button", { class: "small", id: "verify", onclick: order, title: "Fresh runs of the best and of the default, in turns, until the difference is certain or hopeless" }, "Verify the best")),
    told.length ? h("ul", {}, told.map(verification)) : null, h("p", { class: "soft" }, told.length ? study.certainty.text.split(". ").slice(1).join(". ") : study.certainty.text));
}
