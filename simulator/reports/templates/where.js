// Where can a container, or all that a node has, go? A list to choose from, and the answer.

const MOST_SOURCES = 60;
const MOST_PLACES = 40;
const MOST_OPEN = 3;
const NOTHING_CHOSEN = { of: null, ct: null, from: null, to: null };

class Where {
  constructor(model, navigation) {
    Object.assign(this, { model, navigation, uses: ["find", "of", "ct"] });
    this.short = new ShortNames(model.nodes.map(({ name }) => name));
    this.field = find("find");
    this.field.addEventListener("input", () => {
      navigation.go({ ...NOTHING_CHOSEN, find: this.field.value }, true);
    });
    find("finder").addEventListener("submit", (event) => {
      event.preventDefault();
      const [first] = this.matches(this.field.value);
      if (first) {
        navigation.go(chosen(first.node, first.containers[0]?.[0]));
      }
    });
  }

  show(state) {
    const source = this.source(state);
    const text = state.get("find") ?? "";
    if (this.field.value !== text) {
      this.field.value = text;
    }
    const shown = source ? this.answer(source, state.get("ct")) : this.choice(text);
    find("answer").replaceChildren(element("div", shown));
    find("matches").textContent = source ? "" : count(this.matches(text).length, "node");
  }

  // What was chosen; nothing where there is no such node or container.
  source(state) {
    const node = this.navigation.byName.get(state.get("of"));
    const source = node && this.model.source(node, state.get("ct"));
    return source?.loads.length ? source : null;
  }

  // Nodes that a text is of: a container's number, or a part of a node's name. Beside each are
  // the containers that are meant, if any are; what has the number itself comes first.
  matches(text) {
    const wanted = text.trim().toLowerCase();
    const isNumber = /^\d+$/.test(wanted);
    const found = this.model.nodes.map((node) => {
      const meant = ([ctid]) => isNumber && String(ctid).startsWith(wanted);
      const containers = node.containers.filter(meant).sort(([one], [other]) => one - other);
      const isNamed = node.name.toLowerCase().includes(wanted);
      const exact = String(containers[0]?.[0]) === wanted;
      return { node, containers, order: exact ? 0 : containers.length ? 1 : isNamed ? 2 : 3 };
    });
    return found.filter(({ order }) => order < 3).sort((one, other) => one.order - other.order);
  }

  // The list

  choice(text) {
    const found = this.matches(text);
    if (!found.length) {
      return element("p.notice", "No node and no container is called that.");
    }
    const titles = ["Node", "Containers", "Nodes safe for all of them"];
    const rows = found.slice(0, MOST_SOURCES).map((one) => this.choiceRow(one));
    const rest = found.length - rows.length;
    return [
      this.short.words && element("p.quiet", this.short.words),
      tableOf("sources", titles, rows),
      rest > 0 && element("p.quiet", `And ${count(rest, "other node")}: type to find them.`),
    ];
  }

  choiceRow({ node, containers }) {
    const shown = containers.length ? containers : node.containers;
    const { totals, safe, all } = this.totals(this.model.source(node, null));
    const href = this.navigation.href(chosen(node));
    const name = element("a", { href, title: node.name }, breakable(this.short.of(node.name)));
    return [
      [name, aboutNode(this.model, alone(node))],
      shown.length ? firstOf(shown, 8, ([ctid]) => this.chip(node, ctid)) : quiet("none recorded"),
      [barOf(totals), quiet(`${number(safe)} of ${number(all)}`)],
    ];
  }

  chip(node, ctid) {
    return element(
      "a.chip",
      { href: this.navigation.href(chosen(node, ctid)) },
      String(ctid ?? "All"),
    );
  }

  // Migrations from a source by outcome, and to how many nodes all is safe.
  totals(source) {
    const { model } = this;
    const row = model.row(source);
    const totals = [0, 0, 0, 0];
    let [safe, all] = [0, 0];
    for (const group of model.groups) {
      const counts = slot(row, group);
      const room = model.room(source, group);
      counts.forEach((one, outcome) => (totals[outcome] += one * room));
      safe += kindOf(counts) === SAFE ? room : 0;
      all += room;
    }
    return { totals, safe, all };
  }

  // The answer

  answer(source, ctid) {
    const { node, loads } = source;
    const { safe, all } = this.totals(source);
    const what = ctid
      ? `container ${ctid}`
      : node.containers.length
        ? "all that it has"
        : "any container";
    const codes = new Set();
    const sections = loads.map((load) => this.destinations(source, load, codes));
    return [
      element(
        "p",
        element("a", { href: this.navigation.href(NOTHING_CHOSEN) }, "← All nodes and containers"),
      ),
      element("h2", ctid && `${ctid} on `, breakable(node.name)),
      element(
        "p.lead",
        `${number(safe)} of ${count(all, "node")} ${safe === 1 ? "is" : "are"} safe for ${what}.`,
      ),
      this.containers(node, ctid),
      sections.map(({ heading, content }, at) => {
        if (loads.length <= MOST_OPEN) {
          return element("section.load", heading, content);
        }
        const fold = folded(heading, content);
        fold.className = "load";
        fold.open = at === 0;
        return fold;
      }),
      codes.size > 0 && [element("h3", "What helps"), remedies(this.model, codes)],
    ];
  }

  // The node's containers, to go on to one of them.
  containers(node, ctid) {
    const all = [null, ...node.containers.map(([other]) => other)];
    const chips = firstOf(all, 30, (other) => {
      const chip = this.chip(node, other);
      chip.setAttribute("aria-current", String(other) === String(ctid));
      return chip;
    });
    return node.containers.length > 0 && element("p.chips", chips);
  }

  // Where containers that are alike can go: by outcome, and by what is found.
  destinations(source, load, codes) {
    const { model } = this;
    const found = model.groups
      .filter((group) => model.isPair(source, group))
      .map((group) => ({ group, ...model.found(load, group) }))
      .map((one) => ({ ...one, rank: this.rank(source, one) }))
      .sort((one, other) => one.rank - other.rank || one.group.at - other.group.at);
    const counts = [0, 0, 0, 0];
    found.forEach(({ group, outcome }) => (counts[outcome] += model.room(source, group)));
    const states = quiet(statesWords(model, load.containers));
    const heading = element("h3", containersWords(load.containers), " ", states, barOf(counts));
    const content = [SAFE, RISKY, REFUSED, UNKNOWN].map((outcome) => {
      const those = found.filter((one) => one.outcome === outcome);
      const nodes = quiet(count(counts[outcome], "node"));
      const title = element("h4", sign(outcome), `${OUTCOMES[outcome]} `, nodes);
      return those.length > 0 && [title, ...this.blocks(source, those, codes)];
    });
    return { heading, content };
  }

  // Destinations to which the same stands in the way are one block.
  blocks(source, found, codes) {
    const { model } = this;
    const alike = new Map();
    for (const one of found) {
      const reasons = model.against(one).map((at) => model.reasons[at]);
      const key = reasons
        .map(({ code, feature, hiddenBy }) => [code, feature, hiddenBy].join())
        .sort();
      reasons.forEach(({ code }) => codes.add(code));
      listAt(alike, key.join("\n")).push({ ...one, reasons });
    }
    return [...alike.values()].map((those) => {
      const places = firstOf(those, MOST_PLACES, ({ group }) => this.place(source, group));
      const { reasons } = those[0];
      return element(
        "div.block",
        element("ul.places", places),
        reasons.length > 0 && because(model, reasons),
      );
    });
  }

  place(source, group) {
    const { name } = group.nodes[0];
    const href = this.navigation.href({ from: source.node.name, to: name });
    const text = breakable(this.short.of(name) + more(group));
    return element(
      "li",
      element("a.place", { href, title: name }, text, aboutNode(this.model, group)),
    );
  }

  // The least is the best: the least to be said, the same CPU, the nearest kernel.
  rank(source, { group, restore, programs }) {
    const { model } = this;
    const [one, other] = [model.classOf(source.node), model.classOf(group)];
    const said = model.said(restore).length + model.said(programs).length;
    const isOther = 2 * (one.cpu !== other.cpu) + (one.vendor !== other.vendor);
    return 64 * said + 16 * isOther + Math.abs(one.age - other.age);
  }

  overview(state) {
    const source = this.source(state);
    if (!source) {
      return fleetOverview(this.model, this.navigation);
    }
    const rank =
      "The best comes first: where least is to be said, of the same CPU, of the nearest kernel.";
    return [
      element("h2", { id: "panel-title" }, breakable(source.node.name)),
      element("dl.sides", side(this.model, "Node", alone(source.node))),
      element("p", "Choose a destination to see all that is found on the way there."),
      element("p.quiet", rank),
    ];
  }
}

// The part of the address that chooses a node, or a container of it.
function chosen(node, ctid = null) {
  return { ...NOTHING_CHOSEN, view: "where", of: node.name, ct: ctid };
}

function alone(node) {
  return { nodes: [node], class: node.class };
}
