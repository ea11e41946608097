// A rough word about a passphrase, and a good one on request.

export interface Strength {
  /** 0 to 4. */
  level: number;
  word: string;
}

/** Estimates from length and variety; repeats count little. It guides, it never forbids. */
export function strength(passphrase: string): Strength {
  const distinct = new Set(passphrase).size;
  const classes = [/[a-z]/, /[A-Z]/, /\d/, /[^A-Za-z0-9]/].filter((kind) => kind.test(passphrase)).length;
  const alphabet = [0, 26, 40, 55, 70][classes] ?? 70;
  const useful = Math.min(passphrase.length, distinct * 1.6);
  const bits = useful * Math.log2(Math.max(alphabet, 2));
  if (passphrase.length === 0) return { level: 0, word: '' };
  if (bits < 40) return { level: 1, word: 'Weak' };
  if (bits < 60) return { level: 2, word: 'Fair' };
  if (bits < 80) return { level: 3, word: 'Good' };
  return { level: 4, word: 'Strong' };
}

/** 24 characters in groups of four without look-alikes: about 118 bits. */
export function makePassphrase(): string {
  const alphabet = 'abcdefghijkmnpqrstuvwxyz23456789';
  const drawn = crypto.getRandomValues(new Uint8Array(24));
  const text = Array.from(drawn, (byte) => alphabet[byte % alphabet.length]).join('');
  return text.replace(/.{4}(?=.)/g, '$&-');
}
