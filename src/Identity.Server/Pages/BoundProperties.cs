// Replaces Razor Pages' DefaultPageApplicationModelPartsProvider for the properties of page models, and leaves it the rest.
using System.Reflection;
using Microsoft.AspNetCore.Mvc.ApplicationModels;
using Microsoft.AspNetCore.Mvc.ModelBinding;

namespace Identity.Server.Pages;

/// <summary>
/// Which properties of a page are filled from requests, their attributes say. The built-in provider also describes every property of every page to
/// find that out, with all that pages inherit: an eighth of a start.
/// </summary>
internal sealed class BoundProperties(IPageApplicationModelPartsProvider builtIn) : IPageApplicationModelPartsProvider
{
    public PagePropertyModel CreatePropertyModel(PropertyInfo property)
    {
        ArgumentNullException.ThrowIfNull(property);
        var attributes = property.GetCustomAttributes(inherit: true);
        return new PagePropertyModel(property, attributes) { PropertyName = property.Name, BindingInfo = BindingInfo.GetBindingInfo(attributes) };
    }

    public PageHandlerModel? CreateHandlerModel(MethodInfo method) => builtIn.CreateHandlerModel(method);

    public PageParameterModel CreateParameterModel(ParameterInfo parameter) => builtIn.CreateParameterModel(parameter);

    public bool IsHandler(MethodInfo methodInfo) => builtIn.IsHandler(methodInfo);
}
