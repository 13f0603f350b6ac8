// OWASP ASVS 5.0 §16.5.1: what happened and what to do, an id to quote, and nothing that helps an attacker.
using System.Globalization;
using System.Text.RegularExpressions;
using Identity.Server.External;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages.External;

/// <summary>Tells why a sign-in through another provider came to nothing.</summary>
public sealed partial class ProblemModel(PageServices services, ExternalButtons external) : IdentityPageModel(services)
{
    [BindProperty(SupportsGet = true, Name = "problem")]
    public string? ProblemKind { get; set; }

    [BindProperty(SupportsGet = true, Name = "provider")]
    public string? Provider { get; set; }

    [BindProperty(SupportsGet = true, Name = "id")]
    public string? Id { get; set; }

    /// <summary>Which texts.</summary>
    public string Kind { get; private set; } = nameof(ExternalProblem.Refused);

    public bool IsFault => Kind is not (nameof(ExternalProblem.Denied) or nameof(ExternalProblem.Expired));

    // Null: one without a name of its own.
    private string? ProviderName { get; set; }

    /// <summary>Only what looks like one of ours: the address can be written by anybody.</summary>
    public string? CorrelationId => Id is not null && IdForm().IsMatch(Id) ? Id : null;

    public string Again => PageUrls.SignInHere(LinkReturnUrl);

    public void OnGet()
    {
        var problem = Enum.TryParse<ExternalProblem>(ProblemKind, ignoreCase: false, out var parsed) && Enum.IsDefined(parsed) ? parsed : ExternalProblem.Unknown;
        Kind = problem.ToString();
        var name = Provider is { Length: > 0 and <= 40 } ? external.NameOf(Provider) : null;

        // A name that the settings do not know was made up by whoever wrote the address.
        ProviderName = name == Provider ? null : name;
        Response.StatusCode = problem switch
        {
            ExternalProblem.Unavailable => StatusCodes.Status503ServiceUnavailable,
            ExternalProblem.Unknown => StatusCodes.Status404NotFound,
            ExternalProblem.Disabled or ExternalProblem.NoAccount or ExternalProblem.Denied => StatusCodes.Status403Forbidden,
            _ => StatusCodes.Status400BadRequest,
        };
    }

    /// <summary>A sentence of this kind of problem. What stands for a missing name is no name: at the beginning it is written as any word is.</summary>
    public string Tell(string part)
    {
        var text = T[$"External.{Kind}.{part}", ProviderName ?? T["External.TheProvider"].Value].Value;
        return ProviderName is null ? char.ToUpper(text[0], CultureInfo.CurrentUICulture) + text[1..] : text;
    }

    public IActionResult OnPostDecline() => Declined();

    [GeneratedRegex("^[0-9A-Za-z:-]{8,64}$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex IdForm();
}
