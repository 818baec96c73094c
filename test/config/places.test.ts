import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { placeOfKeys, type Model, type ConfigPosition } from '../../src/config/index.ts';
import { parseConfig, whereOf } from '../../src/pipeline/configuration.ts';
import { fixture } from '../support/project.ts';
import fc from '../support/properties.ts';

function placeOfCheck(text: string, name: string, id: string): ConfigPosition | undefined {
  const model = parseConfig(text, 'contender.yml').models[name] as Model;
  return placeOfKeys(text, ['models', name, ...whereOf(id, model)]);
}

describe('the line of contender.yml that asks for a check', async () => {
  const text = await readFile(fixture('spam/contender.yml'), 'utf8');
  const lineOf = (id: string): string | undefined => {
    const place = placeOfCheck(text, 'spam-filter', id);
    return place === undefined ? undefined : text.split('\n')[place.line - 1]?.slice(place.column - 1);
  };

  it('is that of the metric for a comparison, a floor and a slice', () => {
    assert.match(lineOf('evaluation/roc_auc') ?? '', /^\{ metric: roc_auc/u);
    assert.match(lineOf('evaluation/recall') ?? '', /^\{ metric: recall/u);
    assert.match(lineOf('evaluation/recall-floor') ?? '', /^\{ metric: recall/u);
    assert.match(lineOf('evaluation/accuracy@source=hard_ham') ?? '', /^\{ metric: accuracy/u);
  });

  it('is that of a metric with a cut-off, and of its slices', async () => {
    const ranking = await readFile(fixture('search/contender.yml'), 'utf8');
    const lineAt = (id: string): string | undefined =>
      ranking.split('\n')[(placeOfCheck(ranking, 'search', id)?.line ?? 0) - 1];
    assert.match(lineAt('evaluation/ndcg@10') ?? '', /primary: \{ metric: ndcg@10/u);
    assert.match(lineAt('evaluation/ndcg@10@device=mobile') ?? '', /metric: ndcg@10.*slices: \[device\]/u);
    assert.match(lineAt('evaluation/mrr-floor') ?? '', /metric: mrr/u);
  });

  it('is that of the objective, the contract and the rules', () => {
    assert.match(lineOf('load/p95') ?? '', /^100/u);
    assert.match(lineOf('load/error-rate') ?? '', /^0\.001/u);
    assert.match(lineOf('load/parity') ?? '', /^parity/u);
    assert.match(lineOf('data/evaluation/contract') ?? '', /^schema\.json/u);
    assert.match(lineOf('data/evaluation/row-count') ?? '', /^- row_count/u);
  });

  it('is the section where nothing says more, and none in another file', () => {
    assert.match(lineOf('evaluation/sanity-baseline') ?? '', /^alpha: 0\.05/u);
    assert.equal(placeOfKeys('a: [', ['models', 'spam-filter', 'policy']), undefined);
    fc.assert(
      fc.property(fc.string(), fc.string(), (config, id) => {
        const place = placeOfKeys(config, ['models', 'm', id]);
        assert.ok(place === undefined || place.line >= 1);
      }),
    );
  });
});
