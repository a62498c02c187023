// Staying at the end of a list: whoever stands there stays there, whatever grows or becomes narrower, until they scroll up.
import { useCallback, useEffect, useRef, useState } from 'react';

/** So near the end is at the end; pixels. */
const NEAR = 48;
/** A list that begins elsewhere is put together at its place first: until then its scrolling says nothing. */
export const SETTLES_MS = 400;

/** So long after a wheel, a finger or a key a scroll is taken as the user's. */
const HAND_MS = 1000;
const HANDS = ['wheel', 'touchmove', 'pointerdown', 'keydown'] as const;

export interface End {
  /** Whether the list is to follow its end. */
  atEnd: boolean;
  /** Goes to the end, and follows it from now on. */
  hold: () => void;
  /** The element that scrolls. */
  watch: (element: HTMLElement | Window | null) => void;
  /** Something changed its height. */
  grown: () => void;
}

/** Where a scroll leads: at the end, away from it, or (it went down, or nothing moved) as before. */
export function decide(before: boolean, from: number, to: { scrollTop: number; scrollHeight: number; clientHeight: number }): boolean {
  if (to.scrollHeight - to.scrollTop - to.clientHeight <= NEAR) return true;
  return to.scrollTop < from ? false : before;
}

export function useEnd(begin: boolean): End {
  const [atEnd, setAtEnd] = useState(begin);
  const state = useRef({ holds: begin, top: 0, element: null as HTMLElement | null, stop: () => undefined as void });

  const grown = useCallback(() => {
    const { holds, element } = state.current;
    if (holds && element) element.scrollTop = element.scrollHeight;
  }, []);

  const watch = useCallback(
    (element: HTMLElement | Window | null) => {
      state.current.stop();
      state.current.element = null;
      if (!(element instanceof HTMLElement)) return;
      let settled = state.current.holds;
      // While lines are measured the list grows shorter for a moment, and the browser moves it up: nobody has left the end by that.
      let [height, hand] = [element.scrollHeight, -HAND_MS];
      // A press on a message is no scroll; one on the scroll bar is.
      const handled = ({ type, target }: Event) => {
        if (type !== 'pointerdown' || target === element) hand = performance.now();
      };
      for (const kind of HANDS) element.addEventListener(kind, handled, { passive: true });
      const scrolled = () => {
        if (!settled) return;
        const moved = height !== element.scrollHeight && performance.now() - hand > HAND_MS;
        height = element.scrollHeight;
        const decided = decide(state.current.holds, state.current.top, element);
        const now = decided || (moved && state.current.holds);
        state.current.top = element.scrollTop;
        state.current.holds = now;
        setAtEnd(now);
        if (!decided) grown();
      };
      const timer = setTimeout(() => {
        settled = true;
        state.current.top = element.scrollTop;
        scrolled();
      }, SETTLES_MS);
      const resized = new ResizeObserver(grown);
      resized.observe(element);
      element.addEventListener('scroll', scrolled, { passive: true });
      state.current.element = element;
      state.current.top = element.scrollTop;
      state.current.stop = () => {
        clearTimeout(timer);
        resized.disconnect();
        element.removeEventListener('scroll', scrolled);
        for (const kind of HANDS) element.removeEventListener(kind, handled);
      };
    },
    [grown],
  );

  const hold = useCallback(() => {
    state.current.holds = true;
    setAtEnd(true);
    grown();
  }, [grown]);

  useEffect(() => () => state.current.stop(), []);
  return { atEnd, hold, watch, grown };
}
