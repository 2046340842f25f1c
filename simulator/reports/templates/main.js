// Puts the views together. What is shown is in the address's fragment, and nowhere else.

class Report {
  constructor(data) {
    this.model = new Model(data);
    this.byName = new Map(this.model.nodes.map((node) => [node.name, node]));
    this.state = new URLSearchParams(location.hash.replace(/^#\/?/, ""));
    this.views = {
      where: new Where(this.model, this),
      fleet: new FleetView(this.model, this),
      obstacles: new Obstacles(this.model, this),
      pools: new Pools(this.model, this),
    };
    this.shown = {};
    this.panel = find("panel");
    this.panel.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
    find("close").addEventListener("click", () => this.close());
    window.addEventListener("popstate", () => this.follow());
    window.addEventListener("beforeprint", () => this.views.fleet.print());
    this.read();
  }

  // The address of what is shown, with changes.
  href(changes) {
    const state = new URLSearchParams(this.state);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === "") {
        state.delete(name);
      } else {
        state.set(name, value);
      }
    }
    return `#/${state}`;
  }

  // Go to another address; typing leaves no trace in the history.
  go(changes, isTyping = false, isByKey = false) {
    const href = this.href(changes);
    if (href !== (location.hash || "#/")) {
      history[isTyping ? "replaceState" : "pushState"](null, "", href);
    }
    this.read();
    if (isByKey || getComputedStyle(this.panel).position === "fixed") {
      this.focusPanel();
    }
  }

  // Follow a link, or the browser's history.
  follow() {
    this.read();
    this.focusPanel();
  }

  focusPanel() {
    if (this.isChosen) {
      this.panel.focus({ preventScroll: true });
    }
  }

  read() {
    this.state = new URLSearchParams(location.hash.replace(/^#\/?/, ""));
    const name = Object.hasOwn(this.views, this.state.get("view"))
      ? this.state.get("view")
      : "where";
    for (const link of document.querySelectorAll("#views a")) {
      const view = link.dataset.view;
      link.href = this.href({ view, from: null, to: null, code: null });
      link.setAttribute("aria-current", view === name ? "page" : "false");
      find(`view-${view}`).hidden = view !== name;
    }
    this.showView(name);
    this.showPanel(this.views[name]);
  }

  // A view is made anew only where something that it uses has changed.
  showView(name) {
    const view = this.views[name];
    const uses = JSON.stringify(view.uses.map((one) => this.state.get(one)));
    if (this.shown[name] !== uses) {
      this.shown[name] = uses;
      view.show(this.state);
    }
  }

  showPanel(view) {
    const pair = this.pair(this.state);
    const content = pair
      ? pairContent(this.model, this, pair, this.moved(view, ...pair))
      : view.overview(this.state);
    if (pair) {
      view.mark?.(...pair);
    }
    if (!this.panel.contains(document.activeElement)) {
      this.opener = document.activeElement;
    }
    this.isChosen = Boolean(pair || view.isChosen?.(this.state));
    find("content").replaceChildren(element("div", content));
    find("close").hidden = !this.isChosen;
    this.panel.classList.toggle("chosen", this.isChosen);
    this.panel.scrollTop = 0;
  }

  // What is to be moved of a pair: of the node that is asked about, what is asked about alone.
  moved(view, source) {
    const asked = view === this.views.where && view.source(this.state);
    return asked?.node?.name === this.state.get("from") ? asked : source;
  }

  // The pair that is chosen; nothing where there is no such pair.
  pair(state) {
    const [source, destination] = ["from", "to"].map((name) => {
      return this.model.groupOf.get(this.byName.get(state.get(name)));
    });
    return source && destination && this.model.isPair(source, destination)
      ? [source, destination]
      : null;
  }

  close() {
    const isPair = this.pair(this.state);
    this.go(isPair ? { from: null, to: null } : { code: null });
    if (!this.isChosen) {
      this.opener?.focus();
    }
  }
}

performance.mark("script");
new Report(JSON.parse(find("data").textContent));
requestAnimationFrame(() => setTimeout(() => performance.mark("interactive")));
