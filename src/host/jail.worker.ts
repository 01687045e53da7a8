/** A thread that runs one job at a time inside a root of its own. Only synchronous file calls: others leave the thread. */
import { parentPort } from 'node:worker_threads';
import { codeOf, messageOf } from '#base/errors.ts';
import { prepareThread } from './jail/enter.ts';
import { runJob, type JobStreams } from './jail/jobs.ts';
import { WINDOW, type FromWorker, type ToWorker } from './jail/protocol.ts';

const port = parentPort;
if (port === null) throw new Error('this file runs as a worker thread');
const send = (message: FromWorker, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

prepareThread();

/** What has arrived for the job that runs. */
let inbox: { chunks: Buffer[]; grown: number; ended: boolean; aborted: string | undefined; credits: number; wake: () => void } | undefined;

port.on('message', (message: ToWorker) => {
  if (message.type === 'job') {
    void serve(message);
    return;
  }
  if (inbox === undefined) return;
  if (message.type === 'chunk') inbox.chunks.push(Buffer.from(message.data.buffer, message.data.byteOffset, message.data.byteLength));
  else if (message.type === 'grown') inbox.grown = message.size;
  else if (message.type === 'end') inbox.ended = true;
  else if (message.type === 'credit') inbox.credits++;
  else inbox.aborted = message.reason;
  inbox.wake();
});

async function serve({ job }: Extract<ToWorker, { type: 'job' }>): Promise<void> {
  const box = { chunks: [] as Buffer[], grown: 0, ended: false, aborted: undefined as string | undefined, credits: WINDOW, wake: (): void => {} };
  inbox = box;
  const news = (): Promise<void> => new Promise((resolve) => (box.wake = resolve));
  const check = (): void => {
    if (box.aborted !== undefined) throw new Error(box.aborted);
  };
  const streams: JobStreams = {
    check,
    async *input() {
      for (;;) {
        check();
        const chunk = box.chunks.shift();
        if (chunk !== undefined) {
          send({ type: 'credit' });
          yield chunk;
        } else if (box.ended) return;
        else await news();
      }
    },
    member: (member) => send({ type: 'member', member }),
    async grown(taken) {
      send({ type: 'position', value: taken });
      for (;;) {
        // Lets messages in.
        await new Promise((resolve) => setImmediate(resolve));
        check();
        if (box.grown > taken) return box.grown;
        if (box.ended) return undefined;
        await news();
      }
    },
    async output(chunk) {
      while (box.credits === 0) {
        await news();
        check();
      }
      box.credits--;
      // A buffer that is nobody else's goes over; of others a copy.
      const whole = chunk.byteOffset === 0 && chunk.byteLength === chunk.buffer.byteLength;
      const data = whole ? new Uint8Array(chunk.buffer as ArrayBuffer) : new Uint8Array(chunk);
      send({ type: 'chunk', data }, [data.buffer]);
    },
  };
  try {
    const value = await runJob(job, streams);
    inbox = undefined;
    send({ type: 'result', value });
  } catch (error) {
    inbox = undefined;
    send({ type: 'error', code: codeOf(error), message: messageOf(error) });
  }
}

send({ type: 'ready' });
