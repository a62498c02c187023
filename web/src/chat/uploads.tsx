// Images on their way to the server, above the composer: each with its progress. One that is there is sent as a message.
import type { Conversation } from '@parlor/client';
import { ParlorError } from '@parlor/client';
import { useParlor } from '@parlor/client/react';
import { useCallback, useEffect, useRef, useState } from 'react';
import { CloseIcon } from '../ui/icons.js';
import { tell } from '../ui/notice.js';

const TYPES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];
/** Where the server does not say how much it takes. */
const BYTES = 2 * 1024 * 1024;

interface Upload {
  key: number;
  file: File;
  /** A blob's address, for the small picture. */
  picture: string;
  share: number;
  error: string | null;
  abort: AbortController;
}

export interface UploadList {
  list: readonly Upload[];
  add: (files: readonly File[]) => void;
  retry: (upload: Upload) => void;
  drop: (upload: Upload) => void;
}

export function useUploads(conversation: Conversation): UploadList {
  const parlor = useParlor();
  const [list, setList] = useState<Upload[]>([]);
  const count = useRef(0);
  const alive = useRef(list);
  alive.current = list;
  // What is on its way when the conversation is left goes on; its pictures are let go of.
  useEffect(() => () => alive.current.forEach(({ picture }) => URL.revokeObjectURL(picture)), []);

  const run = useCallback(
    (upload: Upload) => {
      const change = (to: Partial<Upload>) => setList((all) => all.map((one) => (one.key === upload.key ? { ...one, ...to } : one)));
      change({ error: null, share: 0 });
      parlor.upload(upload.file, { onProgress: (share) => change({ share }), signal: upload.abort.signal }).then(
        (url) => {
          URL.revokeObjectURL(upload.picture);
          setList((all) => all.filter(({ key }) => key !== upload.key));
          conversation.sendImage(url).catch(() => undefined); // the line says it
        },
        (thrown) => !upload.abort.signal.aborted && change({ error: ParlorError.from(thrown).message }),
      );
    },
    [parlor, conversation],
  );

  const add = useCallback(
    (files: readonly File[]) => {
      const most = Number((parlor.ready?.limits as Record<string, unknown> | undefined)?.['imageBytes'] ?? BYTES);
      for (const file of files) {
        if (!TYPES.includes(file.type)) tell('Images only: PNG, JPEG, GIF or WebP.');
        else if (file.size > most) tell(`That image is too large: at most ${Math.floor(most / 1024 / 1024)} MB.`);
        else {
          const upload = { key: ++count.current, file, picture: URL.createObjectURL(file), share: 0, error: null, abort: new AbortController() };
          setList((all) => [...all, upload]);
          run(upload);
        }
      }
    },
    [parlor, run],
  );

  const drop = useCallback((upload: Upload) => {
    upload.abort.abort();
    URL.revokeObjectURL(upload.picture);
    setList((all) => all.filter(({ key }) => key !== upload.key));
  }, []);

  return { list, add, retry: run, drop };
}

export function Uploads({ uploads: { list, retry, drop } }: { uploads: UploadList }) {
  if (list.length === 0) return null;
  return (
    <ul className="uploads">
      {list.map((upload) => (
        <li key={upload.key} className="upload">
          <img src={upload.picture} alt="" />
          <span className="upload-name">{upload.file.name}</span>
          {upload.error === null ? (
            <progress data-testid="upload" aria-label={`Uploading ${upload.file.name}`} value={upload.share} max={1} />
          ) : (
            <>
              <span className="refusal">{upload.error}</span>
              <button type="button" className="small" onClick={() => retry(upload)}>
                Retry
              </button>
            </>
          )}
          <button type="button" className="round" aria-label={`Cancel ${upload.file.name}`} onClick={() => drop(upload)}>
            <CloseIcon />
          </button>
        </li>
      ))}
    </ul>
  );
}
