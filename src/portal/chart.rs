//! Charts as SVG: drawn here, coloured by the style sheet, with a table beside each.
//!
//! Two series differ by their pattern or their dashes, not by colour alone. Lengths are tenths of a CSS pixel at the width of
//! a phone, where a chart is 360 pixels wide; wider screens draw it larger.

use askama::Template;
use askama::filters::HtmlSafe;

/// Width of every chart.
const WIDTH: u64 = 3_600;
/// Where the columns begin, right of the numbers of the scale.
const LEFT: u64 = 440;
/// Where they end.
const RIGHT: u64 = 3_560;
/// The line of the largest number.
const TOP: u64 = 120;
/// The line of zero.
const GROUND: u64 = 1_520;
/// Height of a chart over time.
const HEIGHT: u64 = 1_760;
/// Height of a row of a chart of bars.
const ROW: u64 = 230;
/// Where bars begin, right of their names.
const BARS: u64 = 1_380;
/// Length of a bar of 100 percent.
const FULL: u64 = 1_720;
/// More points than these have no marks.
const MARKED: usize = 31;

/// A rectangle.
struct Rect {
    class: &'static str,
    x: u64,
    y: u64,
    width: u64,
    height: u64,
}

/// A line, broken where nothing was measured, with marks at its points.
struct Line {
    class: &'static str,
    pieces: Vec<String>,
    dots: Vec<(u64, u64)>,
}

/// A text at a point.
struct Label {
    anchor: &'static str,
    x: u64,
    y: u64,
    text: String,
}

/// A chart.
#[derive(Template)]
#[template(path = "chart.html")]
pub(super) struct Chart {
    /// Unique on its page.
    id: &'static str,
    title: String,
    /// What it shows in words, for who cannot see it.
    says: String,
    height: u64,
    grid: Vec<u64>,
    rects: Vec<Rect>,
    goals: Vec<(u64, u64)>,
    lines: Vec<Line>,
    labels: Vec<Label>,
    /// Class and name of each series.
    key: Vec<(&'static str, &'static str)>,
}

impl HtmlSafe for Chart {}

/// A row of a chart of bars: name, percent, what is asked for.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) percent: Option<u64>,
    pub(super) goal: Option<u64>,
}

/// The class of each of two series.
const SERIES: [&str; 2] = ["first", "second"];

/// The next round number whose half is a whole one: where a scale ends.
fn round_up(most: u64) -> u64 {
    let mut unit = 1;
    loop {
        if let Some(end) = [2, 4, 6, 8, 10].iter().map(|one| one * unit).find(|end| *end >= most) {
            return end;
        }
        unit *= 10;
    }
}

/// A number on a scale, short: 1500 is 1.5k.
fn short(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..1_000_000 if number.is_multiple_of(1_000) => format!("{}k", number / 1_000),
        1_000..1_000_000 => format!("{}.{}k", number / 1_000, number % 1_000 / 100),
        _ if number.is_multiple_of(1_000_000) => format!("{}M", number / 1_000_000),
        _ => format!("{}.{}M", number / 1_000_000, number % 1_000_000 / 100_000),
    }
}

/// A count of things as a length.
fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

impl Chart {
    fn over_time(id: &'static str, title: &str, says: String, dates: &[String]) -> Self {
        let mut chart = Self {
            id,
            title: title.to_owned(),
            says,
            height: HEIGHT,
            grid: vec![TOP, u64::midpoint(TOP, GROUND), GROUND],
            rects: vec![],
            goals: vec![],
            lines: vec![],
            labels: vec![],
            key: vec![],
        };
        if let (Some(first), Some(last)) = (dates.first(), dates.last()) {
            chart.label("start", LEFT, HEIGHT - 60, first.clone());
            chart.label("end", RIGHT, HEIGHT - 60, last.clone());
        }
        chart
    }

    fn label(&mut self, anchor: &'static str, x: u64, y: u64, text: String) {
        self.labels.push(Label { anchor, x, y, text });
    }

    /// Writes the ends and the middle of the scale.
    fn scale(&mut self, end: u64, written: impl Fn(u64) -> String) {
        let middle = u64::midpoint(TOP, GROUND);
        for (number, y) in [(end, TOP), (end / 2, middle), (0, GROUND)] {
            self.label("end", LEFT - 70, y + 40, written(number));
        }
    }

    /// Columns over time, the second number of each upon the first.
    pub(super) fn columns(
        id: &'static str,
        title: &str,
        says: String,
        names: [&'static str; 2],
        columns: &[(String, [u64; 2])],
    ) -> Self {
        let dates: Vec<_> = columns.iter().map(|(date, _)| date.clone()).collect();
        let mut chart = Self::over_time(id, title, says, &dates);
        let most = columns.iter().map(|(_, [one, other])| one + other).max().unwrap_or(0);
        let (end, count) = (round_up(most), length(columns.len()).max(1));
        chart.scale(end, short);
        let tall = |number: u64| number * (GROUND - TOP) / end;
        for (n, (_, numbers)) in columns.iter().enumerate() {
            let x = LEFT + (RIGHT - LEFT) * length(n) / count;
            let slot = (RIGHT - LEFT) / count;
            let (gap, mut y) = (slot / 6, GROUND);
            for (class, number) in SERIES.into_iter().zip(numbers) {
                let height = tall(*number).max(u64::from(*number > 0) * 12).min(y - TOP);
                y -= height;
                if height > 0 {
                    let width = slot - gap;
                    chart.rects.push(Rect { class, x: x + gap / 2, y, width, height });
                }
            }
        }
        chart.key = SERIES.into_iter().zip(names).collect();
        chart
    }

    /// Two shares over time, in percent; none where there was nothing to measure.
    pub(super) fn shares(
        id: &'static str,
        title: &str,
        says: String,
        names: [&'static str; 2],
        points: &[(String, [Option<u64>; 2])],
    ) -> Self {
        let dates: Vec<_> = points.iter().map(|(date, _)| date.clone()).collect();
        let mut chart = Self::over_time(id, title, says, &dates);
        chart.scale(100, |number| format!("{number} %"));
        let slot = (RIGHT - LEFT) / length(points.len()).max(1);
        let x = |n: usize| LEFT + slot * length(n) + slot / 2;
        let y = |percent: u64| GROUND - percent.min(100) * (GROUND - TOP) / 100;
        let place = |series: usize| {
            points.iter().enumerate().map(move |(n, (_, shares))| {
                shares.get(series).copied().flatten().map(|percent| (x(n), y(percent)))
            })
        };
        for (series, class) in SERIES.into_iter().enumerate() {
            let places: Vec<_> = place(series).collect();
            let pieces: Vec<_> =
                places.split(Option::is_none).filter(|one| !one.is_empty()).collect();
            let is_alone = |piece: &&[Option<(u64, u64)>]| piece.len() == 1;
            let dots = if points.len() <= MARKED {
                places.iter().copied().flatten().collect()
            } else {
                pieces.iter().copied().filter(is_alone).flatten().copied().flatten().collect()
            };
            let path = |piece: &[Option<(u64, u64)>]| {
                let points: Vec<_> =
                    piece.iter().flatten().map(|(x, y)| format!("{x},{y}")).collect();
                points.join(" ")
            };
            chart.lines.push(Line { class, pieces: pieces.into_iter().map(path).collect(), dots });
        }
        chart.key = SERIES.into_iter().zip(names).collect();
        chart
    }

    /// Shares one below the other, each with a mark at its goal.
    pub(super) fn bars(id: &'static str, title: &str, says: String, bars: &[Bar]) -> Self {
        let mut chart = Self::over_time(id, title, says, &[]);
        chart.grid = vec![];
        chart.height = ROW * length(bars.len()) + 20;
        for (n, bar) in bars.iter().enumerate() {
            let y = ROW * length(n) + 60;
            let rect = |class, width| Rect { class, x: BARS, y, width, height: ROW - 100 };
            chart.rects.push(rect("track", FULL));
            if let Some(percent) = bar.percent.filter(|percent| *percent > 0) {
                chart.rects.push(rect("first", percent.min(100) * FULL / 100));
            }
            if let Some(goal) = bar.goal {
                chart.goals.push((BARS + goal.min(100) * FULL / 100, y));
            }
            let percent =
                bar.percent.map_or_else(|| "none".to_owned(), |percent| format!("{percent} %"));
            chart.label("end", BARS - 70, y + 105, bar.name.clone());
            chart.label("end", WIDTH - 20, y + 105, percent);
        }
        if !chart.goals.is_empty() {
            chart.key = vec![("goal", "what is asked for")];
        }
        chart
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_at_a_round_number() {
        for (most, end) in [(0, 2), (1, 2), (2, 2), (3, 4), (11, 20), (41, 60), (999, 1_000)] {
            assert_eq!(round_up(most), end, "{most}");
        }
        for (number, text) in
            [(0, "0"), (999, "999"), (1_000, "1k"), (1_500, "1.5k"), (2_000_000, "2M")]
        {
            assert_eq!(short(number), text);
        }
    }

    #[test]
    fn columns_stand_on_the_ground_and_upon_each_other() {
        let columns =
            [("a".to_owned(), [3, 1]), ("b".to_owned(), [0, 0]), ("c".to_owned(), [1, 0])];
        let chart = Chart::columns("c", "Title", String::new(), ["taken", "refused"], &columns);
        let tops: Vec<_> = chart.rects.iter().map(|one| (one.class, one.y, one.height)).collect();
        assert_eq!(tops, [("first", 470, 1_050), ("second", 120, 350), ("first", 1_170, 350)]);
        assert!(chart.rects.iter().all(|one| one.x + one.width <= RIGHT));
    }

    #[test]
    fn a_line_breaks_where_nothing_was_measured() {
        let point = |share| ("d".to_owned(), [share, None]);
        let points = [point(Some(100)), point(Some(50)), point(None), point(Some(0))];
        let chart = Chart::shares("s", "Title", String::new(), ["one", "other"], &points);
        assert_eq!(chart.lines[0].pieces, ["830,120 1610,820", "3170,1520"]);
        assert_eq!(chart.lines[0].dots.len(), 3);
        assert!(chart.lines[1].pieces.is_empty());
    }

    #[test]
    fn a_chart_says_in_words_what_it_is_and_styles_nothing_itself() {
        let bar = Bar { name: "<race>".to_owned(), percent: Some(70), goal: Some(95) };
        let svg =
            Chart::bars("e", "Completeness", "Race 70 %.".to_owned(), &[bar]).render().unwrap();
        for part in
            ["role=\"img\"", "<title id=\"e-title\">Completeness", "Race 70 %.", "&#60;race&#62;"]
        {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        assert!(!svg.contains("style"), "{svg}");
    }
}
