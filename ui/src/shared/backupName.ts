/** A file name for a backup: the system's name in safe letters, and the day. */
export function backupFileName(system: string, today = new Date()): string {
  const safe = system.toLowerCase().normalize('NFKD').replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '');
  const two = (n: number) => String(n).padStart(2, '0');
  return `${safe || 'sealport'}-${today.getFullYear()}-${two(today.getMonth() + 1)}-${two(today.getDate())}.sealport`;
}
