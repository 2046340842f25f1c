// Pools: groups of nodes among which every migration is safe.

class Pools {
  constructor(model, navigation) {
    Object.assign(this, { model, navigation, uses: [] });
  }

  show() {
    const { groups, data } = this.model;
    const pools = data.pools.map((pool) => pool.map((at) => groups[at]));
    const rest = groups.filter((group) => !pools.some((pool) => pool.includes(group)));
    const lead = `${count(pools.length, "pool")}; ${count(nodesOf(rest).length, "node")} in none.`;
    const cards = pools.map((pool, at) => this.card(`Pool ${at + 1} `, pool));
    const left = rest.length > 0 && this.card("In no pool ", rest);
    find("pools").replaceChildren(element("div", element("p.lead", lead), cards, left));
  }

  card(title, groups) {
    const member = (group) => {
      const href = this.navigation.href(chosen(group.nodes[0]));
      const about = aboutNode(this.model, group);
      return element("li", element("a.place", { href }, breakable(group.name), about));
    };
    const size = quiet(count(nodesOf(groups).length, "node"));
    const places = element("ul.places", firstOf(groups, MOST_PLACES, member));
    return element("section.pool", element("h3", title, size), places);
  }

  overview() {
    return [
      element("h2", { id: "panel-title" }, "What a pool is"),
      [
        "Every container of every node of a pool can be moved to every other node of it, and all of that is safe. A node is in one pool: the largest is cut first.",
        "Containers that can be moved nowhere as they are, not even to a node like their own, are left out: one that is stopped, say, or entered.",
        "“vzcptsim pool NODE...” goes on from here: which masks, upgrades and modules would make larger ones, proven on the simulated nodes.",
      ].map((text) => element("p", text)),
    ];
  }
}

function nodesOf(groups) {
  return groups.flatMap(({ nodes }) => nodes);
}
