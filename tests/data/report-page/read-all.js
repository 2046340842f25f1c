const grid = document.getElementById("grid"), read = [];
const press = (key, ctrlKey = false) =>
  grid.dispatchEvent(new KeyboardEvent("keydown", { key, ctrlKey, bubbles: true }));
const cell = () => document.getElementById(grid.getAttribute("aria-activedescendant"));
const [rows, columns] = ["aria-rowcount", "aria-colcount"].map((name) => grid.getAttribute(name));
grid.focus();
press("Home", true);
for (let row = 1; row < rows; row += 1) {
  for (let column = 1; column < columns; column += 1) {
    read.push(cell().textContent);
    press("ArrowRight");
  }
  press("ArrowDown");
  press("Home");
}
return read;
