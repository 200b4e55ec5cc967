// SIMULATED: an HTTP/2 mirror that ends sessions and streams in the middle of a file.
//
//     node http2-simulated.cjs ROOT CERTIFICATE KEY LOG '{"what": "rst", "after": 20000000}'
//
// Prints its URL. The first fault comes when so many bytes of models have been sent ("after"), the
// next ones after as many more, "times" of them (1). Writes into LOG a line for each request
// ("GET PATH RANGE") and for each fault. Ends when its standard input ends.
//
// what:
//   goaway   the session takes no new streams; those that are open go on
//   end      the same, and then the connection ends
//   refuse   GOAWAY that also drops the streams that are open
//   rst      RST_STREAM with "code" (2, INTERNAL_ERROR)
'use strict';
const fs = require('fs');
const http2 = require('http2');
const path = require('path');

const [root, cert, key, log, text] = process.argv.slice(2);
const fault = JSON.parse(text);
let carried = 0, left = fault.times || 1;

const note = line => fs.appendFileSync(log, line + '\n');

function strike(stream) {
	note('fault ' + fault.what);
	left--;
	carried = 0;
	const session = stream.session;
	if (fault.what === 'rst')
		return stream.close(fault.code === undefined ? 2 : fault.code);
	session.goaway(0, fault.what === 'refuse' ? 0 : stream.id);
	if (fault.what === 'end')
		setImmediate(() => session.destroy());
}

function send(stream, file, first, last) {
	const body = fs.createReadStream(file, { start: first, end: last, highWaterMark: 65536 });
	body.on('data', data => {
		if (stream.destroyed || stream.closed)
			return body.destroy();
		carried += file.endsWith('.gguf') ? data.length : 0;
		if (!stream.write(data)) {
			body.pause();
			stream.once('drain', () => body.resume());
		}
		if (left > 0 && carried >= fault.after)
			strike(stream);
	});
	body.on('end', () => stream.end());
	stream.on('close', () => body.destroy());
	stream.on('error', () => body.destroy());
}

function answer(stream, headers) {
	const name = decodeURIComponent(headers[':path'].split('?')[0]);
	const file = path.join(root, path.normalize('/' + name));
	note(`${headers[':method']} ${name} ${headers.range || '-'}`);
	const size = fs.existsSync(file) && fs.statSync(file).isFile() ? fs.statSync(file).size : -1;
	if (size < 0) {
		stream.respond({ ':status': 404 });
		return stream.end('not found\n');
	}
	const span = /^bytes=(\d+)-(\d*)$/.exec(headers.range || '');
	const first = span ? Number(span[1]) : 0;
	const last = span && span[2] ? Math.min(Number(span[2]), size - 1) : size - 1;
	const fields = { ':status': span ? 206 : 200, 'content-length': last - first + 1,
		'content-type': 'application/octet-stream' };
	if (span)
		fields['content-range'] = `bytes ${first}-${last}/${size}`;
	stream.respond(fields);
	send(stream, file, first, last);
}

fs.writeFileSync(log, '');
const server = http2.createSecureServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key) });
server.on('stream', answer);
server.on('sessionError', () => {});
server.listen(0, '127.0.0.1', () => console.log(`https://127.0.0.1:${server.address().port}`));
process.stdin.resume().on('end', () => process.exit());
