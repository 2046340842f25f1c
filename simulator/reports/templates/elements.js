// Small helpers. Texts become text nodes and attributes, never markup.

function find(id) {
  return document.getElementById(id);
}

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function tableOf(attributes, titles, rows) {
  const cells = (tag, values, more) => values.map((value) => element(tag, more, value));
  const head = element("tr", {}, ...cells("th", titles, { scope: "col" }));
  const body = rows.map((row) => element("tr", {}, ...cells("td", row, {})));
  return element("table", attributes, element("thead", {}, head), element("tbody", {}, ...body));
}

function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

// Call a function once before the next frame, however often it is asked for.
function oncePerFrame(action) {
  let isAsked = false;
  return () => {
    if (!isAsked) {
      isAsked = true;
      requestAnimationFrame(() => {
        isAsked = false;
        action();
      });
    }
  };
}
