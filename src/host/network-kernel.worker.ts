import { parentPort } from 'node:worker_threads';
import { EngineError, messageOf } from '#base/errors.ts';
import type { Failure, WorkerAnswer, WorkerRequest } from './network-kernel.ts';
import { openNetworkOperations } from './network-operations.ts';

const operations = openNetworkOperations();

parentPort?.on('message', ({ id, operation, args }: WorkerRequest) => {
  parentPort?.postMessage(answer(id, operation, args));
});

function answer(id: number, operation: WorkerRequest['operation'], args: unknown[]): WorkerAnswer {
  try {
    const task = operations[operation] as (...args: unknown[]) => unknown;
    return { id, value: task(...args) };
  } catch (error) {
    return { id, failure: failureOf(error) };
  }
}

function failureOf(error: unknown): Failure {
  return {
    message: messageOf(error),
    engineCode: error instanceof EngineError ? error.code : undefined,
    errno: error instanceof Error && 'code' in error && !(error instanceof EngineError) ? String(error.code) : undefined,
  };
}
