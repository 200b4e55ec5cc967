// Faults that the tests set: which request of an operation, and what happens to it.
//
//     { operation, nth = 1, times = 1, name, … }   name: only assets whose name has this in it
//
//     status: 502           this answer, and the work is not done. The body of an upload is read,
//                           and leaves a "starter", unless leaves: "nothing"
//     done: true            with status: after the work was done
//     headers, body         of that answer
//     lost: true            the work is done, and the connection ends without an answer
//     cut: N                the connection ends after N bytes of an upload, or of an object
//     hold: N               an upload or an object waits after N bytes until the tests release it
//     before: true          the request waits at its beginning until the tests release it
//     secondary: true       the secondary rate limit, with status (403) and retry_after (null: the
//                           answer has no such header)
//     flip: N               byte N of an upload, or of an object, is changed on its way

const KNOWN = new Set(["operation", "nth", "times", "name", "status", "leaves", "done", "headers",
	"body", "lost", "cut", "hold", "before", "secondary", "retry_after", "flip"]);

class Fault {
	constructor(set, faults) {
		Object.assign(this, set);
		this.faults = faults;
	}

	wait() {
		return this.hold === undefined && !this.before || this.released ? undefined
			: new Promise((done) => this.faults.waiting.push(() => {
				this.released = true;
				done();
			}));
	}

	answer() {
		const html = "<html><body>Unicorn!</body></html>\n";
		return { status: this.status, text: this.body ?? html,
			headers: { "content-type": "text/html; charset=utf-8", ...this.headers } };
	}
}

export class Faults {
	constructor() {
		this.waiting = [];
		this.clear();
	}

	clear() {
		this.set = [];
		this.met = [];
		this.release();
	}

	add(fault) {
		const unknown = Object.keys(fault).filter((name) => !KNOWN.has(name));
		if (unknown.length || !fault.operation)
			throw new Error(`no such fault: ${unknown.join(", ") || "operation is missing"}`);
		this.set.push({ nth: 1, times: 1, seen: 0, ...fault });
	}

	// The fault that this request meets, or undefined.
	take(entry, name) {
		let met;
		for (const fault of this.set) {
			if (fault.operation !== entry.operation || (fault.name && !name?.includes(fault.name)))
				continue;
			fault.seen++;
			if (fault.seen >= fault.nth && fault.seen < fault.nth + fault.times)
				met ??= new Fault(fault, this);
		}
		if (met)
			this.met.push(entry.operation);
		return met;
	}

	held() {
		return this.waiting.length;
	}

	release() {
		this.waiting.splice(0).forEach((go) => go());
	}
}
