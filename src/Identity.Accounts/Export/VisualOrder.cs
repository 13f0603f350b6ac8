// Unicode Standard Annex #9 (order of Arabic and Hebrew among other text) and The Unicode Standard §9.2 (Arabic letters join), as far as a cell of a table needs them.
using System.Globalization;
using System.Text;

namespace Identity.Accounts.Export;

/// <summary>
/// A line as a pdf draws it: from left to right, a glyph a character. PDFsharp neither turns right-to-left text around nor joins its letters; no library that is served
/// shapes text for it. The joined forms are characters of their own (Arabic Presentation Forms), which DejaVu Sans has.
/// </summary>
internal static class VisualOrder
{
    private const char Tatweel = '\u0640';
    private const char Lam = '\u0644';
    private const string Mirrored = "()[]{}<>«»";

    private enum Direction
    {
        Neutral,
        Left,
        Right,
        Number,
    }

    // By letter: isolated, final, and of letters that join on both sides initial and medial. The blocks list them in this order.
    private static readonly Dictionary<char, List<char>> Forms = FormsOf(c => c.Length == 1, c => c[0]);

    // Lam with an alef is one glyph, by the alef: isolated, final.
    private static readonly Dictionary<char, List<char>> LamAlef = FormsOf(c => c.Length == 2 && c[0] == Lam, c => c[1]);

    public static string Of(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Any(letter => letter >= '\u0590') && text.Any(IsRightToLeft) ? Turn(Units(Join(text))) : text;
    }

    private static string Join(string text)
    {
        var joined = new StringBuilder(text.Length);
        var joinsBefore = false;
        for (var i = 0; i < text.Length; i++)
        {
            var letter = text[i];
            if (IsMark(letter))
            {
                joined.Append(letter);
                continue;
            }

            if (!Forms.TryGetValue(letter, out var forms))
            {
                joined.Append(letter);
                joinsBefore = letter == Tatweel;
                continue;
            }

            var next = i + 1;
            while (next < text.Length && IsMark(text[next]))
            {
                next++;
            }

            var (after, isBefore) = (next < text.Length ? text[next] : ' ', joinsBefore && forms.Count > 1);
            if (letter == Lam && LamAlef.TryGetValue(after, out var ligature))
            {
                joined.Append(ligature[isBefore ? 1 : 0]).Append(text, i + 1, next - i - 1);
                (i, joinsBefore) = (next, false);
                continue;
            }

            var isAfter = forms.Count == 4 && (after == Tatweel || (Forms.TryGetValue(after, out var others) && others.Count > 1));
            joined.Append(forms[(isAfter ? 2 : 0) + (isBefore ? 1 : 0)]);
            joinsBefore = forms.Count == 4;
        }

        return joined.ToString();
    }

    // A letter and the marks on it stay together.
    private static List<string> Units(string text)
    {
        var units = new List<string>(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (units.Count > 0 && Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark)
            {
                units[^1] += rune.ToString();
            }
            else
            {
                units.Add(rune.ToString());
            }
        }

        return units;
    }

    private static string Turn(List<string> units)
    {
        var directions = units.ConvertAll(DirectionOf);
        var line = directions.Find(direction => direction is Direction.Left or Direction.Right);
        Resolve(units, directions, line);
        var levels = directions.ConvertAll(direction => direction switch { Direction.Left => line == Direction.Left ? 0 : 2, Direction.Right => 1, _ => 2 });
        for (var i = 0; i < units.Count; i++)
        {
            var at = Mirrored.IndexOf(units[i], StringComparison.Ordinal);
            if (levels[i] == 1 && at >= 0)
            {
                units[i] = Mirrored[at ^ 1].ToString();
            }
        }

        // UAX #9, L2: from the deepest level up, what is at it or deeper is turned around.
        for (var level = 2; level >= 1; level--)
        {
            for (var i = 0; i < units.Count; i++)
            {
                var end = i;
                while (end < units.Count && levels[end] >= level)
                {
                    end++;
                }

                if (end > i)
                {
                    units.Reverse(i, end - i);
                    levels.Reverse(i, end - i);
                    i = end - 1;
                }
            }
        }

        return string.Concat(units);

        static Direction DirectionOf(string unit)
        {
            var rune = Rune.GetRuneAt(unit, 0);
            return Rune.GetUnicodeCategory(rune) == UnicodeCategory.DecimalDigitNumber ? Direction.Number
                : rune.IsBmp && IsRightToLeft((char)rune.Value) ? Direction.Right
                : Rune.IsLetter(rune) ? Direction.Left
                : Direction.Neutral;
        }
    }

    // W4 and W7 (numbers), then N1 and N2 (what has no direction of its own).
    private static void Resolve(List<string> units, List<Direction> directions, Direction line)
    {
        var strong = line;
        for (var i = 0; i < units.Count; i++)
        {
            if (directions[i] is Direction.Left or Direction.Right)
            {
                strong = directions[i];
            }
            else if (directions[i] == Direction.Number && strong == Direction.Left)
            {
                directions[i] = Direction.Left;
            }
            else if (directions[i] == Direction.Neutral && units[i] is "." or "," or ":" or "/" or "-" or "+" && i > 0 && i + 1 < units.Count && directions[i - 1] == Direction.Number && directions[i + 1] == Direction.Number)
            {
                directions[i] = Direction.Number;
            }
        }

        for (var i = 0; i < units.Count; i++)
        {
            if (directions[i] == Direction.Neutral)
            {
                var end = directions.FindIndex(i, direction => direction != Direction.Neutral);
                var (before, after) = (i == 0 ? line : Side(directions[i - 1]), end < 0 ? line : Side(directions[end]));
                for (end = end < 0 ? units.Count : end; i < end; i++)
                {
                    directions[i] = before == after ? before : line;
                }
            }
        }

        static Direction Side(Direction direction) => direction == Direction.Left ? Direction.Left : Direction.Right;
    }

    private static bool IsMark(char letter) => char.GetUnicodeCategory(letter) == UnicodeCategory.NonSpacingMark;

    private static bool IsRightToLeft(char letter) => (letter is (>= '\u0590' and <= '\u08FF') or (>= '\uFB1D' and <= '\uFDFF') or (>= '\uFE70' and <= '\uFEFC')) && char.IsLetter(letter);

    // Forms B before A: A has the two that B lacks of alef maksura.
    private static Dictionary<char, List<char>> FormsOf(Func<string, bool> isOne, Func<string, char> letter) =>
        Enumerable.Range(0xFE80, 0xFEFD - 0xFE80).Concat(Enumerable.Range(0xFB50, 0xFC00 - 0xFB50))
            .Select(form => (Form: (char)form, Text: char.IsLetter((char)form) ? ((char)form).ToString().Normalize(NormalizationForm.FormKC) : ""))
            .Where(form => isOne(form.Text))
            .GroupBy(form => letter(form.Text))
            .ToDictionary(group => group.Key, group => group.Select(form => form.Form).ToList());
}
