// The icons: one stroke, the colour of the text around.
import type { ReactNode } from 'react';

function icon(children: ReactNode) {
  return () => (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export const BackIcon = icon(<path d="M15 5l-7 7 7 7" />);
export const CloseIcon = icon(<path d="M6 6l12 12M18 6L6 18" />);
export const DownIcon = icon(<path d="M12 5v14M6 13l6 6 6-6" />);
export const EditIcon = icon(<path d="M4 20l1-4L16 5l3 3L8 19l-4 1zM14 7l3 3" />);
export const EyeIcon = icon(
  <>
    <path d="M2.5 12S6 5.5 12 5.5 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12z" />
    <circle cx="12" cy="12" r="2.800" />
  </>,
);
export const ImageIcon = icon(
  <>
    <rect x="3.500" y="4.500" width="17" height="15" rx="2.500" />
    <circle cx="9" cy="10" r="1.600" />
    <path d="M4 17l5-4 3 2.500 4-4 4.500 4" />
  </>,
);
export const InfoIcon = icon(
  <>
    <rect x="3.500" y="4.500" width="17" height="15" rx="2.500" />
    <path d="M14.500 4.500v15" />
  </>,
);
export const PenIcon = icon(<path d="M4 18c3-8 5-10 6-9s-3 8-1 9 5-8 7-7-1 5 1 6 3-1 3-1" />);
export const PlusIcon = icon(<path d="M12 5v14M5 12h14" />);
export const ReplayIcon = icon(<path d="M5 12a7 7 0 1 0 2.500-5.400M5 4v4h4" />);
export const ReplyIcon = icon(<path d="M10 6l-6 6 6 6M4 12h9c4 0 7 2 7 6" />);
export const SearchIcon = icon(
  <>
    <circle cx="11" cy="11" r="6.500" />
    <path d="M16 16l4.500 4.500" />
  </>,
);
export const SendIcon = icon(<path d="M4 12l16-8-6 16-3-7-7-1z" />);
export const SmileIcon = icon(
  <>
    <circle cx="12" cy="12" r="8.500" />
    <path d="M8.500 14c1 1.700 2.200 2.500 3.500 2.500s2.500-.8 3.500-2.500M9 9.500v.5M15 9.500v.5" />
  </>,
);
export const TrashIcon = icon(<path d="M5 7h14M10 7V4.500h4V7M7 7l1 12.500h8L17 7M10.500 11v5M13.500 11v5" />);

export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect className="logo-ground" width="32" height="32" rx="9" />
      <path className="logo-bubble" d="M9 9.500h14a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2h-7.500L11 24.500v-4H9a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2z" />
    </svg>
  );
}
