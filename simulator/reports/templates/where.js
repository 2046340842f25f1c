// Where can a container, or all that a node has, go? A list to choose from, and the answer.

const MOST_SOURCES = 60;
const MOST_DESTINATIONS = 40;
const MOST_OPEN = 3;

class Where {
  constructor(model, navigation) {
    this.model = model;
    this.navigation = navigation;
    this.uses = ["find", "of", "ct"];
    this.short = new ShortNames(model.nodes.map(({ name }) => name));
    this.field = find("find");
    this.field.addEventListener("input", () => {
      navigation.go({ find: this.field.value, of: null, ct: null, from: null, to: null }, true);
    });
    find("finder").addEventListener("submit", (event) => {
      event.preventDefault();
      const [first] = this.matches(this.field.value);
      if (first) {
        navigation.go(this.target(first.node, first.containers[0]?.[0] ?? null));
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
    find("answer").replaceChildren(...shown);
  }

  // What was chosen; nothing where there is no such node or container.
  source(state) {
    const node = this.model.nodes.find(({ name }) => name === state.get("of"));
    const source = node && this.model.source(node, state.get("ct"));
    return source?.loads.length ? source : null;
  }

  target(node, ctid) {
    return { of: node.name, ct: ctid, from: null, to: null };
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
      return [element("p", { class: "notice" }, "No node and no container is called that.")];
    }
    const { start, end } = this.short;
    const titles = ["Node", "Containers", "Nodes safe for all of them"];
    const rows = found.slice(0, MOST_SOURCES).map((one) => this.choiceRow(one));
    const names =
      start || end
        ? [element("p", { class: "quiet" }, `Names are without ${this.short.words}.`)]
        : [];
    const rest = found.length - rows.length;
    return [
      ...names,
      element("div", { class: "wide" }, tableOf({ class: "sources" }, titles, rows)),
      ...(rest > 0
        ? [element("p", { class: "quiet" }, `And ${count(rest, "other node")}: type to find them.`)]
        : []),
    ];
  }

  choiceRow({ node, containers }) {
    const { model } = this;
    const source = model.source(node, null);
    const only = { nodes: [node], class: node.class };
    const shown = containers.length ? containers : node.containers;
    const { totals, safe, all } = this.totals(source);
    return [
      [this.link(node, null, this.short.of(node.name), node.name), aboutNode(model, only)],
      shown.length
        ? firstOf(shown, 8, ([ctid]) => this.link(node, ctid, String(ctid)))
        : quiet("none recorded"),
      [barOf(totals), quiet(`${number(safe)} of ${number(all)}`)],
    ];
  }

  link(node, ctid, text, title = "") {
    const href = this.navigation.href(this.target(node, ctid));
    return element("a", ctid === null ? { href, title } : { href, class: "chip" }, breakable(text));
  }

  // Migrations from a source by outcome, and to how many nodes all is safe.
  totals(source) {
    const { model } = this;
    const row = model.row(source);
    const totals = [0, 0, 0, 0];
    let [safe, all] = [0, 0];
    for (const group of model.groups) {
      const counts = row.subarray(4 * group.class, 4 * group.class + 4);
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
    const what =
      ctid === null
        ? node.containers.length
          ? "everything on it"
          : "any container"
        : `container ${ctid}`;
    const codes = new Set();
    const sections = loads.map((load) => this.destinations(source, load, codes));
    const isLong = loads.length > MOST_OPEN;
    return [
      element(
        "p",
        {},
        element(
          "a",
          { href: this.navigation.href({ of: null, ct: null, from: null, to: null }) },
          "← All nodes and containers",
        ),
      ),
      element("h2", {}, ctid === null ? "" : `${ctid} on `, breakable(node.name)),
      element(
        "p",
        { class: "lead" },
        `${number(safe)} of ${count(all, "node")} ${safe === 1 ? "is" : "are"} safe for ${what}.`,
      ),
      ...this.containers(node, ctid),
      ...sections.map((section, at) => {
        const { title, content } = section;
        const heading = element("h3", {}, ...title);
        if (!isLong) {
          return element("section", { class: "load" }, heading, ...content);
        }
        const fold = folded(heading, ...content);
        fold.className = "load";
        fold.open = at === 0;
        return fold;
      }),
      ...(codes.size ? [element("h3", {}, "What helps"), remedies(this.model, codes)] : []),
    ];
  }

  // The node's containers, to go on to one of them.
  containers(node, ctid) {
    if (!node.containers.length) {
      return [];
    }
    const chip = (other) => {
      const link = this.link(node, other, other === null ? "All" : String(other));
      link.className = "chip";
      if (String(other) === String(ctid)) {
        link.setAttribute("aria-current", "true");
      }
      return link;
    };
    const all = [null, ...node.containers.map(([other]) => other)];
    return [element("p", { class: "chips" }, ...firstOf(all, 30, chip))];
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
    const parts = [SAFE, RISKY, REFUSED, UNKNOWN].filter((outcome) => counts[outcome]);
    const title = [
      `${containersWords(load.containers)} `,
      quiet(statesWords(model, load.containers)),
      barOf(counts),
    ];
    const content = parts.flatMap((outcome) => [
      element(
        "h4",
        {},
        sign(outcome),
        `${OUTCOMES[outcome]} `,
        quiet(count(counts[outcome], "node")),
      ),
      ...this.alike(
        source,
        found.filter((one) => one.outcome === outcome),
        codes,
      ),
    ]);
    return { title, content };
  }

  // Destinations to which the same stands in the way are one block.
  alike(source, found, codes) {
    const blocks = new Map();
    for (const one of found) {
      const against = this.model.against(one).map((at) => this.model.reasons[at]);
      against.forEach(({ code }) => codes.add(code));
      listAt(
        blocks,
        against
          .map((reason) => [reason.code, reason.feature, reason.hiddenBy])
          .sort()
          .join("\n"),
      ).push(one);
    }
    return [...blocks.values()].map((those) => {
      const reasons = this.model.against(those[0]);
      const places = firstOf(those, MOST_DESTINATIONS, ({ group }) =>
        this.destination(source, group),
      );
      return element(
        "div",
        { class: "block" },
        element("ul", { class: "places" }, ...places),
        ...(reasons.length ? [because(this.model, reasons)] : []),
      );
    });
  }

  destination(source, group) {
    const { name } = group.nodes[0];
    const more = group.nodes.length > 1 ? ` +${group.nodes.length - 1}` : "";
    const pair = { from: source.node.name, to: name };
    const href = this.navigation.href(pair);
    const text = breakable(this.short.of(name) + more);
    return element(
      "li",
      {},
      element("a", { href, class: "place", title: name }, text, aboutNode(this.model, group)),
    );
  }

  // The least is the best: the least to be said, the same CPU, the nearest kernel.
  rank(source, { group, restore, programs }) {
    const { model } = this;
    const [one, other] = [model.classOf(source.node), model.classOf(group)];
    const said = [restore, programs].reduce(
      (total, at) => total + model.data.opinions[at][1].length,
      0,
    );
    const isOther = 2 * (one.cpu !== other.cpu) + (one.vendor !== other.vendor);
    return 64 * said + 16 * isOther + Math.abs(one.age - other.age);
  }

  overview(state) {
    const source = this.source(state);
    if (!source) {
      return fleetOverview(this.model, this.navigation);
    }
    const only = { nodes: [source.node], class: source.node.class };
    return [
      element("h2", { id: "panel-title" }, breakable(source.node.name)),
      element("dl", { class: "sides" }, ...side(this.model, "Node", only)),
      element("p", {}, "Choose a destination to see all that is found on the way there."),
      element(
        "p",
        { class: "quiet" },
        "The best comes first: where least is to be said, of the same CPU, of the nearest kernel.",
      ),
    ];
  }
}
