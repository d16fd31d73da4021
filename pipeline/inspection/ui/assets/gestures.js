// Pointer, wheel and pinch on a picture that can `moveBy`, `zoomBy` and `clickAt`.

const CLICK = 4;

/** Listens on `element` and moves `view`. Points are in pixels from the element's corner. */
export function gestures(element, view) {
  const pointers = new Map();
  let travelled = 0;
  const at = (event) => {
    const { left, top } = element.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  const spread = () => {
    const [[ax, ay], [bx, by]] = pointers.values();
    return { distance: Math.hypot(ax - bx, ay - by), middle: [(ax + bx) / 2, (ay + by) / 2] };
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    element.setPointerCapture(event.pointerId);
    if (!pointers.size) travelled = 0;
    pointers.set(event.pointerId, at(event));
  });
  element.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    const old = pointers.size === 2 ? spread() : null;
    pointers.set(event.pointerId, now);
    travelled += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (old) view.zoomBy(spread().distance / (old.distance || 1), spread().middle);
    else if (travelled > CLICK) view.moveBy(now[0] - before[0], now[1] - before[1]);
  });
  const release = (event) => {
    const wasDown = pointers.delete(event.pointerId);
    if (event.type === "pointerup" && wasDown && !pointers.size && travelled <= CLICK) view.clickAt(at(event));
  };
  element.addEventListener("pointerup", release);
  element.addEventListener("pointercancel", release);
  element.addEventListener("wheel", (event) => {
    const unit = event.deltaMode ? 20 : 1;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      view.zoomBy(Math.exp(-event.deltaY * unit * 0.004), at(event));
    } else if (view.moveBy(-(event.shiftKey ? event.deltaY : event.deltaX) * unit,
      event.shiftKey ? 0 : -event.deltaY * unit)) {
      event.preventDefault(); // at its end the picture lets the page scroll
    }
  }, { passive: false });
}
