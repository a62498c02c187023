// A small line of what was. The number beside it says what is.
import { pointsOf } from './series.js';

const [WIDTH, HEIGHT] = [220, 48];

export function Chart({ values, name }: { values: readonly number[]; name: string }) {
  const points = pointsOf(values, WIDTH, HEIGHT - 4);
  const first = points.split(',')[0] ?? '0';
  return (
    <svg className="chart" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={`${name} over the last minutes`}>
      {points !== '' && (
        <g transform="translate(0 2)">
          <polygon points={`${first},${HEIGHT} ${points} ${WIDTH},${HEIGHT}`} />
          <polyline points={points} />
        </g>
      )}
    </svg>
  );
}
