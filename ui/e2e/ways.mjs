// Ways that several screens begin with.

export const goTo = (name) => async (page) => {
  await page.getByRole('navigation', { name: 'Screens' }).getByRole('link', { name }).click();
};

export const button = (page, name) => page.getByRole('button', { name, exact: true });

export async function fillPassphrase(page, label = 'Backup passphrase') {
  await page.getByLabel(label, { exact: true }).fill('long river stone bridge 42');
  await page.getByLabel(`${label} again`).fill('long river stone bridge 42');
}
