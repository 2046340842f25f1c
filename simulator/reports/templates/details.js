// The details of a pair: both verdicts, for each container, with all reasons and what to do next.

const FACTS = [
  ["feature", "feature"],
  ["place", "where"],
  ["source", "source"],
  ["destination", "destination"],
  ["neededBy", "needed by"],
  ["hiddenBy", "hidden by"],
];

class Details {
  constructor(model, { onGo, onLeave }) {
    this.model = model;
    this.onGo = onGo;
    this.panel = find("details");
    this.panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        onLeave();
      }
    });
  }

  show(source, destination) {
    const { panel } = this;
    const migrations = this.model.migrations(source, destination);
    panel.classList.add("chosen");
    panel.replaceChildren(
      this.head(source, destination),
      this.facts(source, destination),
      ...migrations.map((migration) => this.migration(migration)),
    );
    panel.scrollTop = 0;
    this.bringIntoSight();
    panel.setAttribute("aria-labelledby", "details-title");
  }

  // In a narrow window the panel is below the map.
  bringIntoSight() {
    if (this.panel.getBoundingClientRect().top > innerHeight * 0.85) {
      this.panel.scrollIntoView();
    }
  }

  focus() {
    this.panel.focus();
  }

  head(source, destination) {
    const names = [source, destination].map((group) => this.model.groups[group].name);
    const arrow = element("span", { class: "arrow" }, "→ ");
    const lines = [element("span", {}, names[0], " "), element("span", {}, arrow, names[1])];
    const title = element("h2", { id: "details-title" }, ...lines);
    const back = element("button", { type: "button" }, "The way back");
    back.addEventListener("click", () => this.onGo(destination, source));
    const buttons = source === destination ? [] : [back];
    return element("header", {}, title, ...buttons);
  }

  facts(source, destination) {
    const facts = [
      ["Outcome", countsWords(this.model.counts(source, destination, 0))],
      ["Source", this.node(source)],
      ["Destination", this.node(destination)],
    ];
    if (this.model.isOneWay(source, destination)) {
      facts.splice(1, 0, ["One-way", "something can go there safely, and nothing back"]);
    } else if (this.model.isOneWay(destination, source)) {
      facts.splice(1, 0, ["One-way", "something can come back safely, and nothing go there"]);
    }
    const entries = facts.flatMap(([name, text]) => [
      element("dt", {}, name),
      element("dd", {}, text),
    ]);
    return element("dl", { class: "facts" }, ...entries);
  }

  node(number) {
    const group = this.model.groups[number];
    const { words, vendor } = this.model.classOf(number);
    const kernels = group.releases.length ? `${group.releases.join(", ")} (${words})` : words;
    const cpus = group.models.length ? group.models.join(", ") : vendor;
    const nodes = this.model.data.byClass ? `; nodes: ${group.nodes.join(" ")}` : "";
    return `kernel ${kernels}; CPU ${cpus}${nodes}`;
  }

  migration({ restore, programs, loads }) {
    const outcome = badge(OUTCOMES[this.model.outcome(restore, programs)]);
    return element(
      "section",
      { class: "outcome" },
      element("h3", {}, `${this.containers(loads)}: `, outcome),
      ...this.states(loads),
      this.opinion("Restore", restore),
      this.opinion("Programs", programs),
    );
  }

  containers(loads) {
    const { byClass } = this.model.data;
    if (loads[0].label === null && loads.length === 1 && !byClass) {
      return "The nodes alone (there is no container)";
    }
    const isOne = loads.length === 1 && !byClass;
    return `Container${isOne ? "" : "s"} ${labelsWords(loads, byClass)}`;
  }

  // What the containers are, as far as the kernel looks at it.
  states(loads) {
    const known = loads.filter(({ container }) => container !== null);
    const words = new Set(known.map(({ container }) => this.model.data.containers[container]));
    return words.size ? [element("p", { class: "quiet" }, [...words].join("; "))] : [];
  }

  opinion(title, number) {
    const { verdict, reasons } = this.model.opinion(number);
    const byCode = new Map();
    for (const reason of reasons) {
      const key = `${reason.code} ${reason.weight} ${reason.isWaived}`;
      byCode.set(key, [...(byCode.get(key) ?? []), reason]);
    }
    const sorted = [...byCode.values()].sort(([one], [other]) => one.weight - other.weight);
    return element(
      "div",
      { class: "opinion" },
      element("h4", {}, `${title}: `, badge(VERDICTS[verdict])),
      ...sorted.map((alike) => this.reason(alike)),
    );
  }

  // Reasons that have their code in common.
  reason(alike) {
    const { code, weight, isWaived } = alike[0];
    const about = this.model.data.codes[code];
    const remarks = [isWaived && "waived", WEIGHTS[weight] === "remark" && "a remark"];
    const remark = remarks.filter(Boolean).join(", ");
    const explanation = element("details", {}, element("summary", {}, "More"));
    explanation.append(element("p", {}, about.explanation));
    return element(
      "div",
      { class: `reason reason-${isWaived ? "remark" : WEIGHTS[weight]}` },
      element("div", {}, `${about.summary}. `, element("code", {}, code), remark && ` (${remark})`),
      ...factsTable(alike),
      element("p", { class: "next" }, element("strong", {}, "Next: "), about.next_step),
      explanation,
    );
  }
}

function factsTable(reasons) {
  const used = FACTS.filter(([key]) => reasons.some((reason) => reason[key]));
  if (!used.length) {
    return [];
  }
  const rows = reasons.map((reason) => used.map(([key]) => reason[key]));
  const titles = used.map(([, title]) => title);
  return [tableOf({}, titles, rows)];
}

function badge(name) {
  return element("span", { class: `badge badge-${name.replace(" ", "-")}` }, name);
}
