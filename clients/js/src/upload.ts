// Sending an image to the server, with its progress. Browsers tell it (XMLHttpRequest); elsewhere there is only a beginning and
// an end.
import { ParlorError } from './error.js';
import { read, settle, type Fetch, type Rest } from './rest.js';

export interface UploadOptions {
  /** Called with the share that was sent, 0 to 1. */
  onProgress?: (share: number) => void;
  signal?: AbortSignal;
  /** What the file is called, when the blob has no name. */
  name?: string;
}

/** Uploads an image (PNG, JPEG, GIF, WebP; at most 2 MB); its URL is the content of a message of type `image`. */
export async function upload(rest: Rest, fetch: Fetch, image: Blob, options: UploadOptions = {}): Promise<{ url: string }> {
  const form = new FormData();
  const named = image as Blob & { name?: string };
  form.append('image', image, options.name ?? named.name ?? 'image');
  return rest.withToken(async (token) => {
    const url = rest.url('/api/uploads');
    const headers = rest.headers(token, false);
    options.onProgress?.(0);
    if (typeof XMLHttpRequest !== 'undefined') return withProgress(url, headers, token === null, form, options);
    const init: RequestInit = { method: 'POST', headers, body: form };
    if (options.signal) init.signal = options.signal;
    const answer = await read<{ url: string }>(await fetch(url, init));
    options.onProgress?.(1);
    return answer;
  });
}

function withProgress(
  url: string,
  headers: Record<string, string>,
  withCookie: boolean,
  form: FormData,
  { onProgress, signal }: UploadOptions,
): Promise<{ url: string }> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', url);
    request.withCredentials = withCookie;
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total, lengthComputable }) => lengthComputable && onProgress?.(loaded / total);
    request.onload = () => {
      try {
        const answer = settle<{ url: string }>(request.status, request.statusText, request.responseText);
        onProgress?.(1);
        resolve(answer);
      } catch (error) {
        reject(error as Error);
      }
    };
    request.onerror = () => reject(new ParlorError('NETWORK', 'the server cannot be reached', { retryable: true }));
    request.onabort = () => reject(new DOMException('the upload was aborted', 'AbortError'));
    if (signal?.aborted) return request.abort();
    signal?.addEventListener('abort', () => request.abort());
    request.send(form);
  });
}
