// Which of the three pages is shown: signing in, the chat, the server's figures. Who one is, the cookie says.
import { ParlorProvider, useConnection, useUser } from '@parlor/client/react';
import { lazy, Suspense } from 'react';
import { Chats } from './chats.js';
import { ConnectionBanner } from './connection.js';
import { useRoute } from './route.js';
import { SignIn } from './session/sign-in.js';
import { useSession } from './session/session.js';
import { Notices } from './ui/notice.js';

const Admin = lazy(() => import('./admin/admin.js').then(({ Admin }) => ({ default: Admin })));

export function App() {
  const session = useSession();
  return (
    <>
      {session.parlor ? (
        <ParlorProvider key={session.life} parlor={session.parlor}>
          <Inside onSignedIn={session.begin} onSignOut={session.end} />
        </ParlorProvider>
      ) : null}
      <Notices />
    </>
  );
}

function Inside({ onSignedIn, onSignOut }: { onSignedIn: () => void; onSignOut: () => Promise<void> }) {
  const state = useConnection();
  const known = useUser() !== null;
  const route = useRoute();
  if (state.status === 'disconnected' && state.reason === 'unauthorized') return <SignIn onSignedIn={onSignedIn} />;
  if (!known) return <Waiting />;
  if (route.page === 'admin') {
    return (
      <Suspense fallback={<Waiting />}>
        <Admin />
      </Suspense>
    );
  }
  return <Chats route={route} onSignOut={onSignOut} />;
}

function Waiting() {
  return (
    <>
      <ConnectionBanner />
      <p className="centre quiet">Loading …</p>
    </>
  );
}
