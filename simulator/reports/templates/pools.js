// Pools: groups of nodes among which every migration is safe.

const MOST_MEMBERS = 40;

class Pools {
  constructor(model, navigation) {
    this.model = model;
    this.navigation = navigation;
    this.uses = [];
  }

  show() {
    const pools = this.model.data.pools.map((pool) => pool.map((at) => this.model.groups[at]));
    const size = (pool) => sum(pool.map(({ nodes }) => nodes.length));
    const isPool = (pool) => pool.length > 1 || this.isWithin(pool[0]);
    const [shared, alone] = [pools.filter(isPool), pools.filter((pool) => !isPool(pool))];
    const cards = shared.map((pool, at) => this.card(`Pool ${at + 1}`, pool, size(pool)));
    const rest = alone.flat();
    const lead = `${count(shared.length, "pool")}; ${count(size(rest), "node")} in none.`;
    find("pools").replaceChildren(
      element("p", { class: "lead" }, lead),
      ...cards,
      ...(rest.length ? [this.card("In no pool", rest, size(rest))] : []),
    );
  }

  // Nodes of one class that are safe to each other.
  isWithin(group) {
    return this.model.isPair(group, group) && this.model.kind(group, group) === SAFE;
  }

  card(title, groups, size) {
    const member = (group) => {
      const href = this.navigation.href({
        view: "where",
        of: group.nodes[0].name,
        ct: null,
        from: null,
        to: null,
      });
      return element(
        "li",
        {},
        element("a", { href, class: "place" }, breakable(group.name), aboutNode(this.model, group)),
      );
    };
    return element(
      "section",
      { class: "pool" },
      element("h3", {}, `${title} `, quiet(count(size, "node"))),
      element("ul", { class: "places" }, ...firstOf(groups, MOST_MEMBERS, member)),
    );
  }

  overview() {
    return [
      element("h2", { id: "panel-title" }, "What a pool is"),
      element(
        "p",
        {},
        "Every container of every node of a pool can be moved to every other node of it, and all of that is safe. A node is in one pool: the largest is cut first.",
      ),
      element(
        "p",
        {},
        "Containers that can be moved nowhere as they are, not even to a node like their own, are left out: one that is stopped, say, or entered.",
      ),
      element(
        "p",
        {},
        "“vzcptsim pool NODE...” goes on from here: which masks, upgrades and modules would make larger ones, proven on the simulated nodes.",
      ),
    ];
  }
}
