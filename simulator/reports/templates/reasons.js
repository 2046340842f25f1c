// What is found, in words: outcomes, reasons by code, and what to do next, once for each code.

const FACTS = [
  ["feature", "feature"],
  ["place", "where"],
  ["source", "source"],
  ["destination", "destination"],
  ["neededBy", "needed by"],
  ["hiddenBy", "hidden by"],
];

function sign(outcome) {
  return element("span", { class: `sign ${OUTCOMES[outcome]}`, "aria-hidden": "true" });
}

// Counts as a bar: parts as wide as their shares.
function barOf(counts) {
  const total = sum([...counts]) || 1;
  const bar = element("span", { class: "bar", role: "img", "aria-label": countsWords(counts) });
  counts.forEach((one, outcome) => {
    if (one) {
      const part = element("span", { class: OUTCOMES[outcome] });
      part.style.width = `${(100 * one) / total}%`;
      bar.append(part);
    }
  });
  return bar;
}

function byCode(reasons) {
  const alike = new Map();
  for (const reason of reasons) {
    listAt(alike, `${reason.code} ${reason.weight} ${reason.isWaived}`).push(reason);
  }
  return [...alike.values()].sort(([one], [other]) => one.weight - other.weight);
}

// A line for each code that an outcome comes from, with its features.
function because(model, reasons) {
  const lines = byCode(reasons.map((at) => model.reasons[at])).map((alike) => {
    const features = [...new Set(alike.map(({ feature }) => feature).filter(Boolean))];
    const hiding = [...new Set(alike.map(({ hiddenBy }) => hiddenBy).filter(Boolean))];
    const text = [model.data.codes[alike[0].code].summary];
    if (features.length) {
      text.push(": ", element("b", {}, features.join(", ")));
    }
    if (hiding.length) {
      text.push(quiet(` (${hiding.join("; ")})`));
    }
    return element("li", {}, ...text);
  });
  return element("ul", { class: "because" }, ...lines);
}

// What to do next about codes; those together that ask for the same.
function remedies(model, codes) {
  const alike = new Map();
  for (const code of new Set(codes)) {
    listAt(alike, model.data.codes[code].next_step).push({ code, ...model.data.codes[code] });
  }
  const why = ({ code, summary, explanation }) =>
    element(
      "p",
      {},
      element("strong", {}, `${summary}. `),
      explanation,
      " ",
      element("code", {}, code),
    );
  const entries = [...alike].map(([next, those]) =>
    element(
      "li",
      {},
      ...those.map(({ summary }) => element("strong", {}, summary)),
      element("p", { class: "next" }, next),
      folded("Why", ...those.map(why)),
    ),
  );
  return element("ul", { class: "remedies" }, ...entries);
}

// One verdict with all its reasons, what counts and what does not.
function opinionOf(model, title, opinion) {
  const alike = byCode(model.said(opinion));
  return element(
    "div",
    { class: "opinion" },
    element("h4", {}, `${title}: ${VERDICTS[model.verdicts[opinion]]}`),
    ...alike.map((reasons) => reasonBlock(model, reasons)),
  );
}

function reasonBlock(model, alike) {
  const { code, weight, isWaived, counts } = alike[0];
  const remark = [isWaived && "waived", WEIGHTS[weight] === "remark" && "a remark"];
  const words = remark.filter(Boolean).join(", ");
  return element(
    "div",
    { class: counts ? `reason ${WEIGHTS[weight]}` : "reason" },
    element("p", {}, model.data.codes[code].summary, quiet(words && ` (${words})`)),
    ...factsTable(alike),
  );
}

function factsTable(reasons) {
  const rows = reasons.map((reason) => FACTS.map(([key]) => reason[key]));
  const titles = FACTS.map(([, title]) => title);
  const isEmpty = rows.flat().every((cell) => !cell);
  return isEmpty
    ? []
    : [element("div", { class: "wide" }, tableOf({ class: "facts" }, titles, rows))];
}
