// Copies what a page shows once; without scripts it is selected by hand.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll('button[data-copy]')) {
    button.hidden = false;
    button.addEventListener('click', async () => {
      const source = document.querySelector(button.dataset.copy);
      const parts = [...source.querySelectorAll('code')].map((part) => part.textContent);
      await navigator.clipboard.writeText(parts.length ? parts.join('\n') : source.textContent);
      button.parentElement.querySelector('[role="status"]').textContent = button.dataset.copied;
    });
  }
}
