// RFC 9110 §12.5.4: Accept-Language, for what people get by mail, SMS or push because of a request. Answers are for programs, and English.
using Identity.Accounts.Texts;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace Identity.Api;

/// <summary>Messages that a request causes are written in the language that it asks for, unless the account names one of its own.</summary>
internal sealed class MessageLanguage(RequestDelegate next)
{
    private const int MostTags = 20;

    public async Task InvokeAsync(HttpContext context)
    {
        if (context.Request.Headers.AcceptLanguage.Count > 0 && StringWithQualityHeaderValue.TryParseList(context.Request.Headers.AcceptLanguage, out var values))
        {
            // Seen by what is called from here, and by nothing else.
            Languages.Asked = values.Where(value => value.Quality is not 0).OrderByDescending(value => value.Quality ?? 1).Take(MostTags).Select(value => Languages.Find(value.Value.ToString())).FirstOrDefault(found => found is not null);
        }

        await next(context);
    }
}
