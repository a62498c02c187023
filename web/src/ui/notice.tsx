// What went wrong, told at the bottom of the page for a while. `tell` may be called from anywhere.
import { ParlorError } from '@parlor/client';
import { useEffect, useState } from 'react';

interface Notice {
  key: number;
  text: string;
}

let listener: (text: string) => void = () => undefined;
let count = 0;

/** Shows a text. */
export function tell(text: string): void {
  listener(text);
}

/** Shows why something failed; to be given to `catch`. */
export function tellError(thrown: unknown): void {
  const error = ParlorError.from(thrown);
  if (error.code === 'DISCONNECTED' || error.code === 'NETWORK') tell('There is no connection to the server.');
  else if (error.code === 'RATE_LIMITED') tell('That was too fast. Try again in a moment.');
  else tell(error.message.charAt(0).toUpperCase() + error.message.slice(1));
}

export function Notices() {
  const [notices, setNotices] = useState<Notice[]>([]);
  useEffect(() => {
    listener = (text) => {
      const key = ++count;
      setNotices((before) => [...before.slice(-2), { key, text }]);
      setTimeout(() => setNotices((before) => before.filter((notice) => notice.key !== key)), 6000);
    };
    return () => void (listener = () => undefined);
  }, []);
  return (
    <div className="notices">
      {notices.map(({ key, text }) => (
        <p key={key} role="alert" data-testid="notice" className="notice">
          {text}
        </p>
      ))}
    </div>
  );
}
