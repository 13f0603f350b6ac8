using Microsoft.AspNetCore.Mvc.Filters;
using Microsoft.AspNetCore.Mvc.ModelBinding;

namespace Identity.Api.Json;

/// <summary>
/// Keeps MVC from reading a body as a form, which it does for any action when the content type says so: nothing here takes forms,
/// and one that cannot be read would be our fault (500) instead of its sender's (415).
/// </summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class JsonOnlyAttribute : Attribute, IResourceFilter
{
    public void OnResourceExecuting(ResourceExecutingContext context)
    {
        var factories = context.ValueProviderFactories;
        factories.RemoveType<FormValueProviderFactory>();
        factories.RemoveType<FormFileValueProviderFactory>();
        factories.RemoveType<JQueryFormValueProviderFactory>();
        factories.RemoveType<JQueryQueryStringValueProviderFactory>();
    }

    public void OnResourceExecuted(ResourceExecutedContext context)
    {
    }
}
