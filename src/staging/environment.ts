import { environmentOf } from '../processes.ts';

/** What a program needs to run, and nothing that could be a secret. */
const needed = ['PATH', 'TMPDIR', 'TEMP', 'TMP', 'SYSTEMROOT', 'LD_LIBRARY_PATH', 'LANG', 'TZ'];

/** Where people's own programs find their home, their language and their packages; the runner ends what carries its mark. */
const own = [
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LC_ALL',
  'LC_CTYPE',
  'VIRTUAL_ENV',
  'CONDA_PREFIX',
  'PYTHONPATH',
  'PYTHONHOME',
  'pythonLocation',
  'JAVA_HOME',
  'RUNNER_TRACKING_ID',
];

export function minimalEnvironment(): NodeJS.ProcessEnv {
  return environmentOf(needed);
}

export function commandEnvironment(): NodeJS.ProcessEnv {
  return environmentOf([...needed, ...own]);
}
