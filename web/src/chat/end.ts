// Staying at the end of a list: whoever stands there stays there, whatever grows or becomes narrower, until they scroll up.
import { useCallback, useEffect, useRef, useState } from 'react';

/** So near the end is at the end; pixels. */
const NEAR = 48;
/** A list that begins elsewhere is put together at its place first: until then its scrolling says nothing. */
export const SETTLES_MS = 400;

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
      const scrolled = () => {
        if (!settled) return;
        const now = decide(state.current.holds, state.current.top, element);
        state.current.top = element.scrollTop;
        state.current.holds = now;
        setAtEnd(now);
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
