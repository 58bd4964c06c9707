// Swipes over the images; taps are clicks.

// Pixels that make a swipe.
const SWIPE = 60;

const SWIPES = {
  pairs: { left: () => decide("A"), right: () => decide("B"), down: () => decide("Tie"), up: () => answer("Skip") },
  labels: { left: () => decide("Bad"), right: () => decide("Good"), up: () => answer("Skip") },
  scores: { up: () => answer("Skip") },
  ranking: {},
};

function listenToTouch() {
  const images = byId("images");
  let from = null;
  images.addEventListener("touchstart", (event) => {
    from = event.touches.length === 1 ? { x: event.touches[0].clientX, y: event.touches[0].clientY } : null;
  }, { passive: true });
  images.addEventListener("touchend", (event) => {
    if (!from || !state.shown || !current()) return;
    const end = event.changedTouches[0];
    const [x, y] = [end.clientX - from.x, end.clientY - from.y];
    from = null;
    if (Math.max(Math.abs(x), Math.abs(y)) < SWIPE) return;
    const way = Math.abs(x) > Math.abs(y) ? (x < 0 ? "left" : "right") : y < 0 ? "up" : "down";
    const act = SWIPES[state.shown.mode][way];
    // A page that scrolls is not swiped.
    const scrolls = document.documentElement.scrollHeight > innerHeight + 1 && (way === "up" || way === "down");
    if (!act || scrolls) return;
    event.preventDefault();
    act();
  }, { passive: false });
}
