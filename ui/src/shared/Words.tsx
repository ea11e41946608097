// What the service says, as a person reads it: sentences, with commands in the type of commands.

import { asSentence } from './format';

export function Words({ text }: { text: string }) {
  // The service puts commands and names of settings between backticks.
  return asSentence(text)
    .split('`')
    .map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part));
}
