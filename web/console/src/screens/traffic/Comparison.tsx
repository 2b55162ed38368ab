import { useText } from "../../i18n";
import type { MetricsOverTime } from "../../api/schema";
import { changeOf, totalOf } from "../../lib/series";
import { changeText } from "../overview/Tiles";

/** The sums of the span beside those of the week before. */
export function Comparison({ series, now, before, format }: {
  series: readonly { name: string; label: string }[];
  now: MetricsOverTime;
  before: MetricsOverTime | undefined;
  format: (value: number) => string;
}) {
  const t = useText();
  const say = (n: number | undefined) => (n === undefined ? t("traffic.gap") : format(n));
  return (
    <table className="mini compare" aria-label={t("compare.title")}>
      <caption className="sr">{t("compare.title")}</caption>
      <thead><tr><th scope="col">{t("traffic.category")}</th><th scope="col" className="num">{t("compare.now")}</th><th scope="col" className="num">{t("compare.before")}</th><th scope="col">{t("compare.change")}</th></tr></thead>
      <tbody>
        {series.map((s) => (
          <tr key={s.name}>
            <th scope="row">{s.label}</th>
            <td className="num">{say(totalOf(now, [s.name]))}</td>
            <td className="num">{say(totalOf(before, [s.name]))}</td>
            <td className="t2">{changeText(changeOf(now, before, [s.name]), t)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
