import type { Dashboard, FieldConfigSource, GridPos, Panel } from '@grafana/schema';
import type { Options as StatOptions } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type { Options as TableOptions } from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type { Options as TimeSeriesOptions } from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

/** What Grafana's own schema says, written as JSON: its enumerations by their values. */
type Plain<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;

/**
 * A dashboard for Grafana that provisions as it is: `__inputs` are asked for by hand only, so the source is a variable of type
 * datasource; `id` null and a fixed `uid`.
 */
export function grafanaDashboard(): Plain<Dashboard> {
  const source = { type: 'prometheus', uid: '${datasource}' };
  const target = (expr: string, legendFormat: string): Record<string, unknown> => ({
    refId: 'A',
    datasource: source,
    expr,
    legendFormat,
  });
  const place = (x: number, y: number, w: number, h: number): GridPos => ({ x, y, w, h });
  const defaults = (more: Plain<FieldConfigSource>['defaults'] = {}): Plain<FieldConfigSource> => ({
    defaults: more,
    overrides: [],
  });
  const legend: Plain<Pick<TimeSeriesOptions, 'legend' | 'tooltip'>> = {
    legend: { calcs: [], displayMode: 'list', placement: 'bottom', showLegend: true },
    tooltip: { mode: 'multi', sort: 'none' },
  };
  const stat = (colorMode: Plain<StatOptions>['colorMode']): Plain<Partial<StatOptions>> => ({
    colorMode,
    graphMode: 'none',
    reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
  });
  const model = 'model=~"$model"';
  return {
    id: null,
    uid: 'contender-monitoring',
    title: 'Contender: models in production',
    tags: ['contender'],
    timezone: 'utc',
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: '5m',
    time: { from: 'now-30d', to: 'now' },
    timepicker: {},
    annotations: { list: [] },
    links: [],
    templating: {
      list: [
        {
          name: 'datasource',
          label: 'Source',
          type: 'datasource',
          query: 'prometheus',
          hide: 0,
          refresh: 1,
          regex: '',
          multi: false,
          includeAll: false,
          options: [],
        },
        {
          name: 'model',
          label: 'Model',
          type: 'query',
          datasource: source,
          query: { query: 'label_values(contender_monitor_last_success_timestamp_seconds, model)', refId: 'model' },
          hide: 0,
          refresh: 2,
          regex: '',
          sort: 1,
          multi: true,
          includeAll: true,
          options: [],
        },
      ],
    },
    panels: [
      {
        id: 1,
        type: 'stat',
        title: 'Open alarms',
        datasource: source,
        gridPos: place(0, 0, 6, 5),
        targets: [target(`sum(contender_monitor_finding_open{${model},level="alarm"}) or vector(0)`, 'alarms')],
        fieldConfig: defaults({
          thresholds: {
            mode: 'absolute',
            steps: [
              { color: 'green', value: null },
              { color: 'red', value: 1 },
            ],
          },
        }),
        options: stat('background'),
      },
      {
        id: 2,
        type: 'stat',
        title: 'Since the last run',
        datasource: source,
        gridPos: place(6, 0, 6, 5),
        targets: [target(`time() - contender_monitor_last_success_timestamp_seconds{${model}}`, '{{model}}')],
        fieldConfig: defaults({ unit: 's' }),
        options: stat('value'),
      },
      {
        id: 3,
        type: 'table',
        title: 'Open findings',
        datasource: source,
        gridPos: place(12, 0, 12, 10),
        targets: [{ ...target(`contender_monitor_finding_open{${model}} == 1`, ''), format: 'table', instant: true }],
        fieldConfig: defaults(),
        transformations: [
          {
            id: 'organize',
            options: { excludeByName: { Time: true, Value: true, __name__: true, job: true, instance: true } },
          },
        ],
        options: { showHeader: true } satisfies Plain<Partial<TableOptions>>,
      },
      {
        id: 4,
        type: 'timeseries',
        title: 'Rows a window',
        datasource: source,
        gridPos: place(0, 5, 12, 5),
        targets: [target(`contender_monitor_window_rows{${model}}`, '{{model}}')],
        fieldConfig: defaults({ unit: 'short' }),
        options: legend,
      },
      ...[
        { id: 5, title: 'Harm and KPIs', signals: 'harm/.*|estimated/.*|kpi/.*' },
        { id: 6, title: 'Drift (corrected PSI or share)', signals: 'drift/.*' },
      ].map(({ id, title, signals }, index): Plain<Panel> => ({
        id,
        type: 'timeseries',
        title,
        datasource: source,
        gridPos: place(12 * index, 10, 12, 10),
        targets: [
          target(`contender_monitor_signal_value{${model},signal=~"${signals}"}`, '{{model}} {{signal}}'),
          {
            ...target(`contender_monitor_signal_limit{${model},signal=~"${signals}"}`, '{{model}} {{signal}} limit'),
            refId: 'B',
          },
        ],
        fieldConfig: defaults({ unit: 'short' }),
        options: legend,
      })),
    ],
  };
}
