/**
 * A dashboard for Grafana that provisions as it is: `__inputs` are asked for by hand only, so the source is a variable of type
 * datasource; `id` null and a fixed `uid`.
 */
export function grafanaDashboard(): object {
  const source = { type: 'prometheus', uid: '${datasource}' };
  const target = (expr: string, legendFormat: string): object => ({
    refId: 'A',
    datasource: source,
    expr,
    legendFormat,
  });
  const place = (x: number, y: number, w: number, h: number): object => ({ x, y, w, h });
  const defaults = (more: object = {}): object => ({ defaults: { ...more }, overrides: [] });
  const legend = {
    legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
    tooltip: { mode: 'multi', sort: 'none' },
  };
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
          current: {},
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
          definition: 'label_values(contender_monitor_last_success_timestamp_seconds, model)',
          query: { query: 'label_values(contender_monitor_last_success_timestamp_seconds, model)', refId: 'model' },
          current: {},
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
        options: {
          colorMode: 'background',
          graphMode: 'none',
          reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
        },
      },
      {
        id: 2,
        type: 'stat',
        title: 'Since the last run',
        datasource: source,
        gridPos: place(6, 0, 6, 5),
        targets: [target(`time() - contender_monitor_last_success_timestamp_seconds{${model}}`, '{{model}}')],
        fieldConfig: defaults({ unit: 's' }),
        options: {
          colorMode: 'value',
          graphMode: 'none',
          reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
        },
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
        options: { showHeader: true },
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
      ].map(({ id, title, signals }, index) => ({
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
