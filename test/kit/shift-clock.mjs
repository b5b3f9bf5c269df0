/**
 * Preloaded into a process of the product (`NODE_OPTIONS=--import=…`): its wall clock goes SHIFT_CLOCK_MS milliseconds
 * before or behind.
 */
const shift = Number(process.env.SHIFT_CLOCK_MS);
const Real = Date;

globalThis.Date = class extends Real {
  constructor(...given) {
    super(...(given.length === 0 ? [Real.now() + shift] : given));
  }

  static now() {
    return Real.now() + shift;
  }
};
