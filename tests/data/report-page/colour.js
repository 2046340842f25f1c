const [x, y] = arguments, canvas = document.getElementById("canvas");
const box = canvas.getBoundingClientRect();
const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
context.drawImage(canvas, box.left - x, box.top - y);
const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
return `#${[red, green, blue].map((one) => one.toString(16).padStart(2, "0")).join("")}`;
