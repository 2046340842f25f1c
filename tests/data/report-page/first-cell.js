const grid = document.getElementById("grid"), tip = document.getElementById("tip");
const box = document.getElementById("canvas").getBoundingClientRect();
const isCell = (x, y) => {
  grid.dispatchEvent(new MouseEvent("mousemove", { clientX: x, clientY: y, bubbles: true }));
  return !tip.hidden;
};
let [x, y] = [Math.ceil(box.left), Math.ceil(box.top)];
const [right, bottom] = [Math.floor(box.right) - 2, Math.floor(box.bottom) - 2];
while (x < right && !isCell(x, bottom)) { x += 1; }
while (y < bottom && !isCell(x, y)) { y += 1; }
return [x, y];
