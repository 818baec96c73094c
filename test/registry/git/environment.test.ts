import assert from 'node:assert/strict';
import { it } from 'node:test';
import { gitEnvironment } from '../../../src/registry/git/run.ts';
import { withVariables } from '../../support/stores/environment.ts';

it('git is given the environment, and nothing that opens a store or MLflow', () =>
  withVariables(
    {
      AWS_ACCESS_KEY_ID: '0',
      AWS_SECRET_ACCESS_KEY: 'a',
      HF_TOKEN: 'b',
      OCI_PASSWORD: 'c',
      MLFLOW_TRACKING_TOKEN: 'd',
      AWS_REGION: 'e',
    },
    () => {
      const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, HF_TOKEN, OCI_PASSWORD, MLFLOW_TRACKING_TOKEN, AWS_REGION } =
        gitEnvironment();
      assert.deepEqual(
        [AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, HF_TOKEN, OCI_PASSWORD, MLFLOW_TRACKING_TOKEN, AWS_REGION],
        [undefined, undefined, undefined, undefined, undefined, 'e'],
      );
      return Promise.resolve();
    },
  ));
