'use strict';
// What Twilio itself answers callers while our own host answers nothing. Written by our own program, which
// puts the table in; whoever changes it here loses the change with the next publication.
//
// It keeps nothing between two requests: what it must know stands in the query of its own addresses, as places
// and instants only, and Twilio asks those addresses alone, signed. It dials nothing that is not in the table.
// On a technician's leg whatever is unknown or fails is hung up, for Twilio connects him when a document ends.

const TABLE = /*TABLE*/ null;

const PATH = '/stand-in';
const HANG_UP = '<Response><Hangup/></Response>';
const EMERGENCY_WAIT = 8; // seconds to press the key
const LEG_WAIT = 4; // a voicemail costs 20 seconds at most
const RING_BUFFER = 5; // Twilio rings so much longer than it is told, and is told 5 at the least
const LONGEST = 3600; // seconds; an address that says it began earlier is no address of a call that goes on

exports.handler = function (context, event, callback) {
  const response = new Twilio.Response();
  response.appendHeader('Content-Type', 'text/xml; charset=utf-8');
  let body;
  try {
    body = answer(event, Math.floor(Date.now() / 1000));
  } catch (error) {
    body = isLeg(event) || event.RecordingSid ? HANG_UP : lastResort();
  }
  response.setBody(body);
  callback(null, response);
};

function answer(event, now) {
  if (isLeg(event)) {
    return forTechnician(event);
  }
  const inbound = !event.Direction || event.Direction === 'inbound';
  const over = ['completed', 'busy', 'failed', 'no-answer', 'canceled'].includes(event.CallStatus);
  return !inbound || over ? HANG_UP : forCaller(event, now);
}

function isLeg(event) {
  return Boolean(event.ParentCallSid) || event.Direction === 'outbound-dial';
}

// -- the caller ---------------------------------------------------------------------------------

function forCaller(event, now) {
  const line = lineOf(event.To);
  const asked = { now, line, event, began: began(event, now), place: whole(event.place), pass: whole(event.pass) };
  switch (event.step) {
    case 'office':
      return event.DialCallStatus === 'completed' || event.DialCallStatus === 'answered'
        ? response(hangUp())
        : ringOffice(asked, asked.place + 1);
    case 'emergency':
      if (event.Digits === keyOf(event)) {
        return ringTechnician(asked, [say(line, 'screening-wait')], 0, 1, now);
      }
      return asked.place === 0 ? askEmergency(line, event, [], 1) : takeMessage(line, []);
    case 'rung':
      if (String(event.DialBridged) === 'true') {
        return response(say(line, 'goodbye') + hangUp());
      }
      return ringTechnician(asked, [say(line, 'ringing-next')], asked.place + 1, asked.pass, asked.began);
    case 'recorded':
      return Number(event.RecordingDuration) > 0
        ? response(say(line, 'message-taken') + say(line, 'stand-in-heard') + say(line, 'goodbye') + hangUp())
        : response(say(line, 'pin-silence') + say(line, 'goodbye') + hangUp());
    default:
      return arrived(asked);
  }
}

function arrived(asked) {
  const { line, event, now } = asked;
  if (!pinAsked(line, now) && office(line, event).length > 0) {
    return ringOffice(asked, 0);
  }
  return askEmergency(line, event, [say(line, 'stand-in-welcome')], 0);
}

function ringOffice(asked, place) {
  const { line, event } = asked;
  const group = office(line, event)[place];
  if (group === undefined) {
    const missed = [say(line, 'office-missed-no-pin')];
    return line.byDay ? askEmergency(line, event, missed, 1) : takeMessage(line, missed);
  }
  const said = place === 0 ? say(line, 'welcome-day') : '';
  return response(said + dial(event, group, address({ step: 'office', place }), null));
}

// The key changes from call to call: a machine that presses 1 everywhere wakes nobody.
function keyOf(event) {
  const sum = [...String(event.CallSid || '')].reduce((before, each) => before + each.charCodeAt(0), 0);
  return String(2 + (sum % 8));
}

function askEmergency(line, event, said, place) {
  const name = place === 0 ? 'stand-in-emergency' : 'stand-in-again';
  const question = say(line, name, keyOf(event));
  return response(said.join('') + gather(question, address({ step: 'emergency', place }), EMERGENCY_WAIT));
}

function ringTechnician(asked, said, place, pass, since) {
  const { line, event, now } = asked;
  const ladder = ladderAt(line, since).filter((each) => TABLE.phones[each][0] !== event.From);
  if (place >= ladder.length) {
    place = 0;
    pass += 1;
  }
  if (ladder.length === 0 || pass > TABLE.passes || now - since > TABLE.noNewAttemptAfter) {
    return takeMessage(line, [say(line, 'stand-in-nobody')]);
  }
  const action = address({ step: 'rung', place, pass, began: since });
  return response(said.join('') + dial(event, [ladder[place]], action, address({ step: 'whisper' })));
}

function takeMessage(line, said) {
  const action = address({ step: 'recorded' });
  const record =
    `<Record action="${action}" method="POST" maxLength="${TABLE.messageLimit}" timeout="5"` +
    ' finishOnKey="#" playBeep="true"/>';
  // An empty recording falls through.
  return response(said.join('') + say(line, 'stand-in-message') + record + redirect(action));
}

// -- the technician -----------------------------------------------------------------------------

function forTechnician(event) {
  const line = lineOf(event.From);
  const announced = say(line, 'stand-in-technician') + say(line, 'technician-screened');
  switch (event.step) {
    case 'whisper':
      return askTechnician(announced + say(line, 'technician-keys'), 0);
    case 'key':
      switch (event.Digits || '') {
        case '1':
          return response(say(line, 'technician-connecting'));
        case '2':
          return response(say(line, 'technician-passed') + hangUp());
        case '9':
          return askTechnician(announced + say(line, 'technician-keys'), 0);
        default:
          return whole(event.place) === 0 ? askTechnician(say(line, 'technician-short'), 1) : HANG_UP;
      }
    default:
      return HANG_UP;
  }
}

function askTechnician(question, place) {
  return response(gather(question, address({ step: 'key', place }), LEG_WAIT, hangUp()));
}

// -- the table ----------------------------------------------------------------------------------

function lineOf(number) {
  const known = Object.prototype.hasOwnProperty.call(TABLE.numbers, String(number));
  // One that was added after the last publication: as at night, and the duty phone.
  return known
    ? TABLE.numbers[number]
    : { language: TABLE.language, rota: '', hours: [], office: [], byDay: true };
}

function pinAsked(line, now) {
  const found = now < TABLE.until ? at(line.hours, now) : undefined;
  return found === undefined || found === 1;
}

function office(line, event) {
  // The office itself has forwarded this call to us: to ring it again would go round for ever.
  const ours = Object.prototype.hasOwnProperty.call(TABLE.numbers, String(event.From));
  const rung = (group) => group.filter((each) => TABLE.phones[each][0] !== event.From);
  return ours ? [] : line.office.map(rung).filter((group) => group.length > 0);
}

function ladderAt(line, instant) {
  const ladders = TABLE.ladders[line.rota] || [];
  const over = instant >= TABLE.until;
  const filled = ladders.filter((each) => each[1].length > 0);
  // After its end the last ladder that is known; with nobody on it the duty phone.
  const found = (over ? (filled[filled.length - 1] || [0, []])[1] : at(ladders, instant)) || [];
  const unsure = over || found.length === 0;
  return unsure && TABLE.duty !== null && !found.includes(TABLE.duty) ? [...found, TABLE.duty] : found;
}

// What holds at an instant, of pairs in order of time; before the first the first.
function at(pairs, instant) {
  const before = pairs.filter((each) => each[0] <= instant);
  const found = before.length > 0 ? before[before.length - 1] : pairs[0];
  return found === undefined ? undefined : found[1];
}

function whole(text) {
  return /^[0-9]{1,2}$/.test(String(text)) ? Number(text) : 0;
}

function began(event, now) {
  const found = /^[0-9]{9,11}$/.test(String(event.began)) ? Number(event.began) : now;
  return found > now + 60 || found < now - LONGEST ? now : found;
}

// -- TwiML --------------------------------------------------------------------------------------

function response(verbs) {
  return `<?xml version="1.0" encoding="UTF-8"?><Response>${verbs}</Response>`;
}

function say(line, name, key) {
  const says = TABLE.says[line.language] || TABLE.says[TABLE.language];
  const [text, language, voice] = says[name];
  const said = key === undefined ? text : text.replace('{digits}', key);
  return `<Say voice="${escaped(voice)}" language="${escaped(language)}">${escaped(said)}</Say>`;
}

// Silence comes through the same door as a key; should it fall through all the same, so does that.
function gather(question, action, wait, instead = redirect(action)) {
  return (
    `<Gather input="dtmf" action="${action}" method="POST" timeout="${wait}" numDigits="1" finishOnKey=""` +
    ` actionOnEmptyResult="true">${question}</Gather>${instead}`
  );
}

function dial(event, places, action, whisper) {
  const rings = Math.max(...places.map((each) => TABLE.phones[each][1]));
  const shown = /^\+[1-9][0-9]{6,14}$/.test(String(event.To)) ? ` callerId="${event.To}"` : '';
  const asks = whisper === null ? '' : ` url="${whisper}" method="POST"`;
  const nouns = places.map((each) => {
    const noun = TABLE.phones[each][0].startsWith('sip:') ? 'Sip' : 'Number';
    return `<${noun}${asks}>${escaped(TABLE.phones[each][0])}</${noun}>`;
  });
  return (
    `<Dial action="${action}" method="POST" timeout="${Math.max(rings - RING_BUFFER, 5)}"${shown}` +
    ` answerOnBridge="true" ringTone="it">${nouns.join('')}</Dial>`
  );
}

function redirect(action) {
  return `<Redirect method="POST">${action}</Redirect>`;
}

function hangUp() {
  return '<Hangup/>';
}

// Relative to its own host: it may be moved, and the calls under way go on.
function address(query) {
  const pairs = Object.entries(query).map(([name, value]) => `${name}=${value}`);
  return escaped(`${PATH}?${pairs.join('&')}`);
}

function escaped(text) {
  const marks = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return String(text).replace(/[&<>"']/g, (each) => marks[each]);
}

// Something is wrong with this document itself: what the caller says is kept all the same.
function lastResort() {
  return response('<Record maxLength="120" timeout="5" finishOnKey="#" playBeep="true"/><Hangup/>');
}
