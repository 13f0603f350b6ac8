using Identity.Server.Hosting;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages;

/// <summary>The demo client at a click, and what it was given. In Development only: elsewhere there is no such page.</summary>
public sealed class DemoModel(PageServices services, DemoFlow flow, IHostEnvironment environment) : IdentityPageModel(services)
{
    public DemoRun Run { get; private set; } = new("state");

    public string? Token(string name) => (string?)Run.Tokens?[name];

    /// <summary>Acts in nobody's name: whoever is signed in is asked by the authorize endpoint.</summary>
    public override ValueTask<IActionResult?> OldFormAsync(string? handler) => default;

    public async Task<IActionResult> OnGetAsync(string? step, CancellationToken cancellationToken)
    {
        if (!environment.IsDevelopment())
        {
            return NotFound();
        }

        if (step is null)
        {
            return SeeOther("/");
        }

        Run = await flow.FinishAsync(HttpContext, cancellationToken);
        return Page();
    }

    public IActionResult OnPost() => environment.IsDevelopment() ? SeeOther(flow.Begin(HttpContext)) : NotFound();
}
