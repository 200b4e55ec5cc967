#!/usr/bin/env node
// Fetches a model with libferry, through koffi (npm install koffi), and prints the path of each of
// its files.
//
//     node fetch.mjs STORE URL ROOT-SHA256 MODEL
//
// The structures are those of ferry.h. They only grow at their ends, so what is declared here stays
// right. The fetch runs in a thread of its own: other work of the program goes on meanwhile.
import koffi from 'koffi';
import { promisify } from 'node:util';

koffi.config({ async_stack_size: 1 << 20 });     // of the threads that calls with .async run in
const ferry = koffi.load(process.env.LIBFERRY ?? 'libferry.so.1');

koffi.struct('ferry_error', {
	code: 'int', system: 'int', retry_after: 'uint64_t',
	message: koffi.array('char', 1024, 'String'), hint: koffi.array('char', 512, 'String'),
});
koffi.struct('ferry_repository', {
	name: 'str', urls: 'str *', root: 'str', root_sha256: 'str',
});
const Settings = koffi.struct('ferry_settings', {
	size: 'size_t', home: 'str', conf: 'str', repositories: 'ferry_repository *',
	repository_count: 'size_t', ca: 'str', limit_rate: 'uint64_t', max_memory: 'uint64_t',
	connections: 'uint', offline: 'uint', memory: 'uint64_t',
});
const Event = koffi.struct('ferry_event', {
	kind: 'int', done: 'uint64_t', total: 'uint64_t', file: 'str', text: 'str', mirror: 'str',
	bytes: 'int64_t', state: 'str',
});
const OnEvent = koffi.proto('void on_event(void *ctx, ferry_event *event)');
const Call = koffi.struct('ferry_call', {
	size: 'size_t', on_event: koffi.pointer(OnEvent), ctx: 'void *', cancel: 'void *',
});
const File = koffi.struct('ferry_file', {
	name: 'str', path: 'str', sha256: 'str', size: 'uint64_t', role: 'str',
});
const Item = koffi.struct('ferry_item', {
	reference: 'str', error: 'ferry_error *', repository: 'str', model: 'str', variant: 'str',
	version: 'uint64_t', kind: 'str', size: 'uint64_t', stored: 'uint64_t', kept: 'uint64_t',
	reused: 'uint64_t', download: 'uint64_t', fallback: 'str', files: 'void *',
	file_count: 'size_t',
});

const open = ferry.func('int ferry_open(ferry_settings *, _Out_ void **, _Out_ ferry_error *)');
const close = ferry.func('void ferry_close(void *)');
const fetch = promisify(ferry.func('int ferry_fetch(void *, str *, size_t, void *, ferry_call *, ' +
	'_Out_ void **, _Out_ ferry_error *)').async);
const resultAt = ferry.func('ferry_item *ferry_result_at(void *, size_t)');
const resultFree = ferry.func('void ferry_result_free(void *)');

function onEvent(ctx, pointer) {
	const event = koffi.decode(pointer, Event);
	if (event.total)
		process.stderr.write(`\r${Math.floor(100 * event.done / event.total)} %`);
}

async function main(store, url, digest, model) {
	const repository = { name: 'example', urls: [url, null], root_sha256: digest };
	const settings = { size: koffi.sizeof(Settings), home: store, repositories: [repository],
		repository_count: 1 };
	const listener = koffi.register(onEvent, koffi.pointer(OnEvent));
	const call = { size: koffi.sizeof(Call), on_event: listener };
	const [handle, result, error] = [[null], [null], {}];
	let code = open(settings, handle, error);
	if (code === 0)
		code = await fetch(handle[0], [model], 1, null, call, result, error);
	if (code === 0) {
		const item = koffi.decode(resultAt(result[0], 0), Item);
		for (const file of koffi.decode(item.files, 'ferry_file *', item.file_count))
			console.log(koffi.decode(file, File).path);
	} else {
		console.error(`\nfetch.mjs: ${error.message}\n${error.hint}`);
	}
	resultFree(result[0]);
	close(handle[0]);
	koffi.unregister(listener);
	return -code;
}

if (process.argv.length !== 6) {
	console.error('usage: fetch.mjs STORE URL ROOT-SHA256 MODEL');
	process.exit(2);
}
process.exitCode = await main(...process.argv.slice(2));
