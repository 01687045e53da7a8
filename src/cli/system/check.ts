import { readJsonLines } from '#api/client/json-lines.ts';
import type { JsonMessage } from '#spec/wire/image.ts';
import type { StoreCheckLine, StoreProblem, StoreReport } from '#spec/wire/system.ts';
import { CliError, defineCommand } from '../command/command.ts';
import * as flag from '../command/flag.ts';

export const command = defineCommand({
  usage: '[OPTIONS]',
  short: 'Verify everything that the image store holds, and mend it',
  long: 'Reads every blob and compares every layer with what it was unpacked from. With --repair, damaged layers are unpacked anew; what cannot be mended is dropped, and said so. The exit code is 1 while problems are left.',
  flags: {
    format: flag.text('How to show it: json, or nothing for text', { complete: ['json'] }),
    quick: flag.bool('Look for what is missing only, without reading content'),
    repair: flag.bool('Mend what can be mended, and drop what cannot'),
  },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const { transport } = await cli.client();
    const response = await transport.send({ method: 'POST', path: '/gantry/system/check', query: { repair: flags.repair || undefined, quick: flags.quick || undefined } });
    const problems: StoreProblem[] = [];
    let report: StoreReport | undefined;
    for await (const line of readJsonLines<StoreCheckLine | JsonMessage>(response.body)) {
      if ('errorDetail' in line || 'error' in line) throw new CliError(line.errorDetail?.message ?? line.error ?? 'the check broke off');
      if ('Problem' in line) {
        problems.push(line.Problem);
        if (flags.format === '') cli.out.line(sentence(line.Problem));
      } else if ('Report' in line) report = line.Report;
      else if ('Status' in line && cli.err.terminal && flags.format === '') cli.err.line(`${line.Status}...`);
    }
    if (report === undefined) throw new CliError('the engine ended before the check was complete');
    if (flags.format === 'json') cli.out.line(JSON.stringify({ ...report, Found: problems }));
    else {
      const { Documents, Blobs, Layers, Images, Problems, Repaired } = report;
      cli.out.line(`Checked ${Documents} documents, ${Blobs} blobs, ${Layers} layers, ${Images} images: ${Problems === 0 ? 'all is well' : `${Problems} problems, ${Repaired} repaired`}`);
    }
    return report.Problems > report.Repaired ? 1 : 0;
  },
});

const sentence = ({ Kind, ID, Message, Repaired }: StoreProblem): string => `${Kind} ${ID}: ${Message}${Repaired === undefined ? '' : ` (${Repaired})`}`;
