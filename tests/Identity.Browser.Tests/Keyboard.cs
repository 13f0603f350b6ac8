// WCAG 2.2 §2.1.1 (keyboard), §2.4.3 (focus order), §2.4.7 (focus visible).
using Microsoft.Playwright;

namespace Identity.Browser.Tests;

/// <summary>A person without a mouse.</summary>
internal static class Keyboard
{
    /// <summary>Tab by tab, as far as a person would go; each stop shows where it is.</summary>
    /// <param name="page">Where.</param>
    /// <param name="name">What the stop is called: its label, or its text.</param>
    public static async Task TabToAsync(this IPage page, string name)
    {
        for (var i = 0; i < 40; i++)
        {
            await page.Keyboard.PressAsync("Tab");
            var outline = await ReadAsync(page, "getComputedStyle(document.activeElement).outlineStyle + ' ' + getComputedStyle(document.activeElement).outlineWidth");
            Assert.Equal("solid 2px", outline);
            if (await NameAsync(page) == name)
            {
                return;
            }
        }

        Assert.Fail($"No way to {name} by keyboard on {page.Url}.");
    }

    /// <summary>Goes to a button or link, and presses Enter on it.</summary>
    public static async Task EnterAsync(this IPage page, string name)
    {
        await page.TabToAsync(name);
        await page.Keyboard.PressAsync("Enter");
    }

    /// <summary>Goes to a field, and types.</summary>
    public static async Task TypeIntoAsync(this IPage page, string label, string text)
    {
        if (await NameAsync(page) != label)
        {
            await page.TabToAsync(label);
        }

        await page.Keyboard.TypeAsync(text);
    }

    private static Task<string> NameAsync(IPage page) =>
        ReadAsync(page, "(document.activeElement.getAttribute('aria-label') ?? (document.activeElement.labels?.[0] ?? document.activeElement).textContent).trim().replace(/\\s+/g, ' ')");

    private static Task<string> ReadAsync(IPage page, string expression) => page.EvaluateAsync<string>("() => String(" + expression + ")");
}
