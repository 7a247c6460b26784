'use strict';

const $ = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });

let mails = [];
let shown = null; // the id of the message that is open
let chosen = false; // whether a person chose it; else the newest is open
let listed = '';

function draw() {
  $('empty').hidden = mails.length > 0;
  $('message').hidden = mails.length === 0;
  if (mails.length === 0) return;
  if (!chosen || !mails.some((mail) => mail.id === shown)) {
    chosen = false;
    open(mails[0]);
  }
  const ids = mails.map((mail) => mail.id).join();
  if (ids !== listed) {
    listed = ids;
    const focused = document.activeElement?.dataset?.id;
    $('rows').replaceChildren(...mails.map(row));
    if (focused) document.querySelector(`[data-id="${focused}"]`)?.focus();
  }
  for (const button of document.querySelectorAll('.row')) {
    button.setAttribute('aria-current', button.dataset.id === shown);
  }
}

function row(mail) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'row';
  button.dataset.id = mail.id;
  const line = document.createElement('span');
  line.className = 'line';
  line.append(element('b', mail.to), element('span', clock.format(mail.at), 'when'));
  const about = element('span', mail.subject, 'about');
  about.style.display = 'block';
  button.append(line, about);
  button.addEventListener('click', () => {
    chosen = true;
    open(mail);
    draw();
    if (matchMedia('(max-width: 760px)').matches) $('message').scrollIntoView({ behavior: 'smooth' });
  });
  const item = document.createElement('li');
  item.append(button);
  return item;
}

function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function open(mail) {
  if (mail.id === shown) return;
  shown = mail.id;
  $('subject').textContent = mail.subject;
  $('from').textContent = mail.from;
  $('to').textContent = mail.to;
  $('reply').textContent = mail.replyTo;
  $('reply').hidden = $('reply-label').hidden = mail.replyTo === '';
  $('at').textContent = new Date(mail.at).toLocaleString();
  $('html').srcdoc = mail.html;
  $('text').textContent = mail.text;
}

function tab(name) {
  for (const part of ['html', 'text']) {
    $(part).hidden = part !== name;
    $(`tab-${part}`).setAttribute('aria-selected', part === name);
    $(`tab-${part}`).tabIndex = part === name ? 0 : -1;
  }
}

for (const part of ['html', 'text']) {
  $(`tab-${part}`).addEventListener('click', () => tab(part));
  $(`tab-${part}`).addEventListener('keydown', (event) => {
    if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') {
      const other = part === 'html' ? 'text' : 'html';
      tab(other);
      $(`tab-${other}`).focus();
    }
  });
}

async function look() {
  try {
    const answer = await (await fetch('/mails')).json();
    mails = answer.mails;
    $('count').textContent = answer.count;
    $('live-dot').className = 'dot good';
    $('live-text').textContent = 'Live';
    draw();
  } catch {
    $('live-dot').className = 'dot bad';
    $('live-text').textContent = 'Not running';
  }
  setTimeout(look, 1000);
}

look();
