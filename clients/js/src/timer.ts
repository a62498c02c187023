// What setTimeout gives, in browsers and in Node.
export type Timer = ReturnType<typeof setTimeout>;
