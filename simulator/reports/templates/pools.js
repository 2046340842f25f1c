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
    const parts = [element("p.lead", lead), this.change(), cards, left];
    find("pools").replaceChildren(element("div", parts));
  }

  // What would make one pool of them, and what stays apart, as "vzcptsim pool" says it: lines, each
  // with how far in it is, and whether it is to be copied.
  change() {
    const [steps, apart] = this.model.data.change ?? [[], []];
    const part = ([[, title], ...lines], show) =>
      element("section.pool.change", element("h3", title), show(linesOf(lines)));
    return [
      steps.length && part(steps, (lines) => lines),
      apart.length && part(apart, (lines) => folded("What, and why", lines)),
    ];
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
        this.model.data.change
          ? ""
          : "“vzcptsim pool NODE...” goes on from here: which masks, upgrades and boot options would make one of them, proven on the simulated nodes.",
      ].map((text) => element("p", text)),
    ];
  }
}

// Lines as paragraphs; those that are to be copied, one after the other, as one text.
function linesOf(lines) {
  const shown = [];
  let copied = null;
  let begun = 0;
  for (const [indent, text, isCopied] of lines) {
    if (isCopied && copied) {
      copied.textContent += `\n${" ".repeat(Math.max(0, indent - begun))}${text}`;
    } else if (isCopied) {
      copied = element("pre", text);
      begun = indent;
      shown.push(copied);
    } else {
      copied = null;
      shown.push(element(`p.in-${Math.min(indent, 6)}`, text));
    }
  }
  return shown;
}

function nodesOf(groups) {
  return groups.flatMap(({ nodes }) => nodes);
}
